package bpe

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// Errors of Chat; test with errors.Is.
var (
	ErrNoChat  = errors.New("bpe: no chat template is known for this tokenizer")
	ErrMessage = errors.New("bpe: a message that the chat template has no place for")
)

// Message is one turn of a conversation.
type Message struct {
	Role    string // "system", "user" or "assistant"
	Content string
}

// qwenSystem is what Qwen2.5's template says where no system message does.
const qwenSystem = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."

// Chat returns the ids of a conversation as the model's chat template renders it,
// bos included where the template has one; with reply it ends where the
// assistant's answer begins. The contents are text: a control token's name in one
// does not become the token.
//
// The template follows from the control tokens of the file, because it stands in
// tokenizer_config.json, which is not read. Two are known. Qwen2.5-Instruct's
// (ChatML) begins with a system message of its own where messages does not begin
// with one; Qwen2.5's relatives for mathematics and code have another, so give it.
// Llama 3 Instruct's removes white space around each content; the date that later
// versions put into the system message is not added. Tools are not in this version.
//
// Errors: ErrNoChat; ErrMessage for no messages or another role; Encode's.
func (t *Tokenizer) Chat(messages []Message, reply bool) ([]int32, error) {
	for i, m := range messages {
		if m.Role != "system" && m.Role != "user" && m.Role != "assistant" {
			return nil, fmt.Errorf("%w: message %d has role %q", ErrMessage, i, m.Role)
		}
	}
	if len(messages) == 0 {
		return nil, fmt.Errorf("%w: no messages", ErrMessage)
	}
	c := conversation{t: t}
	_, tools := t.plain.ids["<tool_call>"]
	_, thinks := t.added.ids["<think>"]
	switch {
	case t.hasControls("<|im_start|>", "<|im_end|>") && tools && !thinks:
		c.qwen(messages, reply)
	case t.hasControls("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"):
		c.llama3(messages, reply)
	default:
		return nil, ErrNoChat
	}
	c.flush()
	return c.ids, c.err
}

func (t *Tokenizer) hasControls(names ...string) bool {
	for _, name := range names {
		if _, ok := t.controls[name]; !ok {
			return false
		}
	}
	return true
}

// conversation gathers ids. Text between two control tokens is encoded as one.
type conversation struct {
	t    *Tokenizer
	ids  []int32
	text strings.Builder
	err  error
}

func (c *conversation) say(text ...string) {
	for _, s := range text {
		c.text.WriteString(s)
	}
}

func (c *conversation) control(name string) {
	c.flush()
	c.ids = append(c.ids, c.t.controls[name])
}

func (c *conversation) flush() {
	ids, err := c.t.Encode(c.text.String())
	if c.err == nil {
		c.err = err
	}
	c.ids = append(c.ids, ids...)
	c.text.Reset()
}

func (c *conversation) qwen(messages []Message, reply bool) {
	turn := func(m Message) {
		c.control("<|im_start|>")
		c.say(m.Role, "\n", m.Content)
		c.control("<|im_end|>")
		c.say("\n")
	}
	if messages[0].Role != "system" {
		turn(Message{"system", qwenSystem})
	}
	for _, m := range messages {
		turn(m)
	}
	if reply {
		c.control("<|im_start|>")
		c.say("assistant\n")
	}
}

func (c *conversation) llama3(messages []Message, reply bool) {
	head := func(role string) {
		c.control("<|start_header_id|>")
		c.say(role)
		c.control("<|end_header_id|>")
		c.say("\n\n")
	}
	c.control("<|begin_of_text|>")
	for _, m := range messages {
		head(m.Role)
		c.say(strings.TrimFunc(m.Content, blank))
		c.control("<|eot_id|>")
	}
	if reply {
		head("assistant")
	}
}

// blank is what the templates' language trims: white space and the separators
// U+001C to U+001F.
func blank(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }
