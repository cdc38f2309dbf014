// Makes the vectors of this folder with the original tokenizers library (npm package
// tokenizers 0.23.2, Hugging Face's Rust code) and Hugging Face's template engine
// (npm package @huggingface/jinja 0.5.x).
//
//   node vectors.js FOLDER
//
// FOLDER holds NAME/tokenizer.json and NAME/tokenizer_config.json as published, for
// NAME gpt2, qwen2.5, llama3 and sentencepiece (a 32,000-token file of Llama 2's
// kind). gsm8k.jsonl.gz must lie beside this script.
const { Tokenizer } = require('tokenizers');
const { Template } = require('@huggingface/jinja');
const { createHash } = require('crypto');
const fs = require('fs');
const path = require('path');
const zlib = require('zlib');

const folder = process.argv[2];
const published = (name, file = 'tokenizer.json') => JSON.parse(fs.readFileSync(path.join(folder, name, file), 'utf8'));
const write = (name, text) => fs.writeFileSync(path.join(__dirname, name), name.endsWith('.gz') ? zlib.gzipSync(text, { level: 9 }) : text);

// The shells: tokenizer.json without vocabulary and merges, which the tests build
// from the merges, as build_test.go does.
const side = (m) => (Array.isArray(m) ? m : m.split(' '));
function shell(name, file) {
  const text = JSON.stringify({ ...file, model: { ...file.model, vocab: 0, merges: 0 } }, null, 1);
  write(name + '.json', text + '\n');
}

const gpt2 = published('gpt2');
const qwen = published('qwen2.5');
for (const [name, file] of [['gpt2', gpt2], ['qwen2.5', qwen]]) {
  shell(name, file);
  write(name + '.merges.gz', file.model.merges.map((m) => side(m).join(' ')).join('\n') + '\n');
}

const added = (id, content, special = true) => ({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special });
const merges = gpt2.model.merges.map(side);
const bytes = Object.entries(gpt2.model.vocab).sort((a, b) => a[1] - b[1]).map((e) => e[0]).slice(0, 256);

// Llama 3's settings over GPT-2's vocabulary; every seventh merge is missing, so
// that some words come from the vocabulary alone.
function llama3() {
  const file = JSON.parse(JSON.stringify(published('llama3')));
  const names = ['<|begin_of_text|>', '<|end_of_text|>', '<|start_header_id|>', '<|end_header_id|>', '<|eom_id|>', '<|eot_id|>'];
  file.added_tokens = names.map((n, i) => added(50256 + i, n));
  file.post_processor = {
    type: 'Sequence',
    processors: [
      { type: 'ByteLevel', add_prefix_space: true, trim_offsets: false, use_regex: true },
      {
        type: 'TemplateProcessing',
        single: [{ SpecialToken: { id: names[0], type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
        pair: [{ SpecialToken: { id: names[0], type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }, { SpecialToken: { id: names[0], type_id: 1 } }, { Sequence: { id: 'B', type_id: 1 } }],
        special_tokens: { [names[0]]: { id: names[0], ids: [50256], tokens: [names[0]] } },
      },
    ],
  };
  shell('llama3', file);
  file.model.vocab = Object.fromEntries([...bytes, ...merges.map((m) => m.join(''))].map((t, i) => [t, i]));
  file.model.merges = merges.filter((_, i) => i % 7 !== 3).map((m) => m.join(' '));
  return file;
}

// Llama 2's settings over those of GPT-2's first merges that are printable ASCII.
function sentencepiece() {
  const file = JSON.parse(JSON.stringify(published('sentencepiece')));
  file.added_tokens = ['<unk>', '<s>', '</s>'].map((n, i) => added(i, n));
  shell('sentencepiece', file);
  const tokens = ['<unk>', '<s>', '</s>'];
  for (let b = 0; b < 256; b++) tokens.push('<0x' + b.toString(16).toUpperCase().padStart(2, '0') + '>');
  tokens.push('\u2581');
  for (let c = 33; c < 127; c++) tokens.push(String.fromCharCode(c));
  tokens.push('\u00e9', '\u4e16', '\u754c');
  const have = new Set(tokens);
  const kept = [];
  for (const m of merges) {
    const [a, b] = m.map((s) => s.replaceAll('\u0120', '\u2581'));
    if (!have.has(a) || !have.has(b) || kept.length === 12000) continue;
    kept.push(a + ' ' + b);
    if (!have.has(a + b)) {
      have.add(a + b);
      tokens.push(a + b);
    }
  }
  file.model.vocab = Object.fromEntries(tokens.map((t, i) => [t, i]));
  file.model.merges = kept;
  return file;
}

// Texts: chosen ones, then random ones.
const chosen = [
  '', ' ', '  ', 'a', ' a', 'Hello, world!', "I'm sure you'll say it's John's; we've SHOUTED: IT'S, WE'LL, they'RE, 'S 'T 'ſ '", "'s't're've'm'll'd 'sx 'lll 'r 'v 'l",
  'one two  three   four    \n\n five \n  \n six\r\n\r\nseven\t\teight \t nine', '\n', '\n\n', ' \n ', '\r\n', '   x', 'x   ', '\t\tif x:\n\t\t\treturn 1', 'x\u00a0y\u3000z\u2028w\u0085v',
  '1', '12', '123', '1234', '12345 678901234567890', '3.14159, 1,000,000 and 2^10 = 1024', '½ ² ٣ Ⅷ 五 一二三', '#### 72', '$12/60 = $<<12/60=0.2>>0.2',
  'naïve café — “quoted” … ©®™ €100', 'cafe\u0301 A\u030a \u1e9b\u0323 q\u0307\u0323 \u0344', 'a' + '\u0301\u0323'.repeat(40) + 'b', '한국어 \u1112\u1161\u11ab', 'Ελληνικά русский עברית العربية हिन्दी ไทย', '世界 你好,世界!こんにちは', '👍🏽 👨‍👩‍👧‍👦 🇩🇪 🙂', '\u212b \u2126 \ufb01 \u01c5', '\ufeffbom \u200b zero \u00ad soft', 'a\u0000b\u0001c\u001cd\u007fe', '\ufffd \uffff \u{10ffff} \u{e000}', '\u2581 ▁▁x',
  'def f(x):\n    return {"a": [1, 2, 3], \'b\': x**2}  # comment\n', 'https://example.org/path?query=1&other=%20two#frag', '!!!???...---___===', '(((a)))[[b]]{{c}}', 'ALLCAPSWORD mixedCaseWord snake_case_word kebab-case-word', 'supercalifragilisticexpialidocious antidisestablishmentarianism', 'a'.repeat(300), ' '.repeat(100) + 'x', 'ab'.repeat(200), '\n'.repeat(50) + 'x', '0'.repeat(50),
  '<|endoftext|>', 'a<|endoftext|>b', '<|im_start|>user\nhi<|im_end|>\n', '<|im_start|> x <|im_end|', '<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|>', '<s>[INST] hi [/INST] yes </s><s>', '<s> </s>', '<tool_call>{"name": "f"}</tool_call> <tool_call', '<<tool_call>>', '<unk><0x41><0x0A>', '<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>', '<|<|im_end|>|>',
  '>\u0338 <tool_call>\u0338 <|im_end|>\u0338',
];
let state = 20240607;
function random(n) { // mulberry32
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) % n;
}
const bits = [' ', ' ', '  ', '\n', '\r\n', '\t', '\u00a0', '\u3000', "'", "'s", "'LL", "'re", 'the', 'The', 'ing', 'token', 'x', 'Z', 'é', 'e\u0301', '\u0323', '\u0307', 'ß', 'ſ', '1', '42', '2024', '٣', '½', '.', ',', '!!', '-', '"', '(', '{', '<|', '|>', '<|endoftext|>', '<|im_end|>', '<tool_call>', '<|eot_id|>', '</s>', '世', '界', '日本', '한', '\u1112', '\u1161', '\u11ab', 'عربي', 'हि', '👍', '🏽', '\u200d', '\u0000', '\u2581', '\u0085', '\u2028', '_', '\\', 'ǅ', '𝔘', '𐐷'];
const texts = [...chosen];
for (let i = 0; i < 240; i++) {
  let s = '';
  for (let n = 1 + random(24); n > 0; n--) s += bits[random(bits.length)];
  texts.push(s);
}

const gsm8k = zlib.gunzipSync(fs.readFileSync(path.join(__dirname, 'gsm8k.jsonl.gz'))).toString().trim().split('\n').map((l) => JSON.parse(l));

// A file whose special tokens have other names encodes their names as text.
function asText(file) {
  const rename = (s) => file.added_tokens.find((t) => t.special && t.content === s) ? '\u{f0000}' + s + '\u{f0001}' : s;
  const model = { ...file.model, vocab: Object.fromEntries(Object.entries(file.model.vocab).map(([s, id]) => [rename(s), id])) };
  if (model.unk_token) model.unk_token = rename(model.unk_token);
  return { ...file, model, post_processor: null, added_tokens: file.added_tokens.map((t) => ({ ...t, content: rename(t.content) })) };
}

async function vectors(file) {
  const whole = Tokenizer.fromString(JSON.stringify(file));
  const plain = Tokenizer.fromString(JSON.stringify(asText(file)));
  const ids = async (t, text) => (await t.encode(text, null, { addSpecialTokens: false })).getIds();
  const out = { text: [], controls: [], decoded: [] };
  for (const text of texts) {
    out.text.push(await ids(plain, text));
    out.controls.push(await ids(whole, text));
    out.decoded.push(await whole.decode(out.controls.at(-1), true));
  }
  const hash = createHash('sha256');
  for (const p of gsm8k) for (const text of [p.question, p.answer]) hash.update((await ids(plain, text)).join(' ') + '\n');
  out.gsm8k = hash.digest('hex');
  return out;
}

const conversations = [
  [{ role: 'user', content: 'What is 2+2?' }],
  [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: ' Hi \n' }, { role: 'assistant', content: 'Hello!\n' }, { role: 'user', content: '\u00a0Bye\u2003' }],
  [{ role: 'user', content: '' }, { role: 'assistant', content: '世界 cafe\u0301' }],
  [{ role: 'user', content: 'a' }, { role: 'system', content: 'late' }, { role: 'user', content: '\n\nb' }],
];
async function chats(file, config, always) {
  const t = Tokenizer.fromString(JSON.stringify(file));
  const template = new Template(config.chat_template);
  const out = [];
  for (const messages of conversations) {
    for (const reply of always ? [true] : [true, false]) {
      const rendered = template.render({ messages, add_generation_prompt: reply, bos_token: config.bos_token });
      out.push({ messages, reply, rendered, ids: (await t.encode(rendered, null, { addSpecialTokens: false })).getIds() });
    }
  }
  return out;
}

(async () => {
  const [llama, sentence] = [llama3(), sentencepiece()];
  const out = { texts, tokenizers: {}, chats: {} };
  for (const [name, file] of Object.entries({
    gpt2, 'qwen2.5': qwen, llama3: llama, sentencepiece: sentence,
    'published/llama3': published('llama3'), 'published/sentencepiece': published('sentencepiece'),
  })) out.tokenizers[name] = await vectors(file);
  out.chats['qwen2.5'] = await chats(qwen, published('qwen2.5', 'tokenizer_config.json'), false);
  const config = published('llama3', 'tokenizer_config.json');
  out.chats.llama3 = await chats(llama, config, !config.chat_template.includes('add_generation_prompt'));
  write('vectors.json.gz', JSON.stringify(out));
})();
