package bpe

import "strconv"

// Byte-level files write each byte as one printable character: bytes that print
// in Latin-1 as themselves, the others as U+0100 and on, in ascending order.
var (
	alphabet   [256]rune
	alphabetOf [256 + 68]int16 // the byte of each character, -1 for none
)

func init() {
	for r := range alphabetOf {
		alphabetOf[r] = -1
	}
	next := rune(256)
	for b := range alphabet {
		r := rune(b)
		if prints := b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae; !prints {
			r, next = next, next+1
		}
		alphabet[b], alphabetOf[r] = r, int16(b)
	}
}

// fromAlphabet appends the bytes of a token to dst; false if a character of it
// stands for no byte.
func fromAlphabet(dst []byte, token string) ([]byte, bool) {
	for _, r := range token {
		if int(r) >= len(alphabetOf) || alphabetOf[r] < 0 {
			return dst, false
		}
		dst = append(dst, byte(alphabetOf[r]))
	}
	return dst, true
}

// fallbackByte is the byte of a token such as <0x0A> of a SentencePiece-style file.
func fallbackByte(token string) (byte, bool) {
	if len(token) != 6 || token[:3] != "<0x" || token[5] != '>' {
		return 0, false
	}
	for _, c := range token[3:5] {
		if (c < '0' || c > '9') && (c < 'A' || c > 'F') {
			return 0, false
		}
	}
	n, err := strconv.ParseUint(token[3:5], 16, 8)
	return byte(n), err == nil
}
