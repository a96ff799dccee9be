"""Makes golden.json, what Hugging Face's tokenizers (0.23.2) give for tokenizers and texts made here: python make_golden.py"""
import json
import random
from pathlib import Path
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

here = Path(__file__).parent
random.seed(0)
CHARACTERS = list('abcdegost .,!?\'-_012 \n\t  ') + list('éÉñΣσςİßǅ漢字𠀀カゔกำ한글') + ['\u0301', '\u00a0', '\u3000', '\u2028', '\u0085', '\ufeff', '\u200b', '\ufffd', '\0', '😀', '👩‍👩‍👧', "don't", 'THE', '[SEP]', '<mask>', 'New York', 'bad', 'film']


def text(length):
    return ''.join(random.choice(CHARACTERS) for _ in range(length))


def encoded(tokenizer, texts):
    return [{'text': t, 'ids': tokenizer.encode(t).ids} for t in texts]


def words(count):
    return ' '.join('a' * random.randint(1, 4) for _ in range(count))


corpus = [line for line in (here / '../../../README.md').read_text().split('\n')] + [text(80) for _ in range(200)]

# Byte-level BPE, as RoBERTa has it, in two kinds.
groups = []
for normalizer, prefix in [(None, True), (normalizers.NFC(), False), (normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()]), False)]:
    bpe = Tokenizer(models.BPE())
    if normalizer is not None:
        bpe.normalizer = normalizer
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    bpe.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=420, special_tokens=['<s>', '<pad>', '</s>', '<unk>'], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    bpe.post_processor = processors.RobertaProcessing(('</s>', 2), ('<s>', 0), add_prefix_space=prefix)
    bpe.add_special_tokens([AddedToken('<mask>', lstrip=True, special=True, normalized=False)])
    bpe.add_tokens([AddedToken('New York', normalized=True), AddedToken('bad', single_word=True, rstrip=True)])
    groups.append({'tokenizer': json.loads(bpe.to_str()), 'cases': encoded(bpe, [text(random.randint(1, 40)) for _ in range(60)])})
    groups[-1]['pairs'] = [{'text': a, 'pair': b, 'ids': e.ids, 'types': e.type_ids} for a, b in [(text(9), text(9)) for _ in range(10)] for e in [bpe.encode(a, b)]]

# WordPiece, with words added to it.
vocabulary = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'] + sorted({c for c in 'abcdefghijklmnorstuvwyéσß漢字0123456789.,!?\'-_'}) + ['##' + c for c in 'abcdefghijklmnorstuvwyσ0123456789'] + ['the', 'film', '##ost', 'don']
for lowercase in (True, False):
    wordpiece = Tokenizer(models.WordPiece({token: i for i, token in enumerate(vocabulary)}, unk_token='[UNK]', max_input_chars_per_word=20))
    wordpiece.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    wordpiece.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    wordpiece.post_processor = processors.BertProcessing(('[SEP]', 3), ('[CLS]', 2))
    wordpiece.add_special_tokens(['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'])
    plain = Tokenizer.from_str(wordpiece.to_str())
    wordpiece.add_tokens([AddedToken('New York', normalized=True), AddedToken('bad', single_word=True, normalized=True), AddedToken('<mask>', lstrip=True, rstrip=True, normalized=False)])
    for tokenizer in (plain, wordpiece):
        groups.append({'tokenizer': json.loads(tokenizer.to_str()), 'cases': encoded(tokenizer, [text(random.randint(1, 60)) for _ in range(60)])})
        groups[-1]['pairs'] = [{'text': a, 'pair': b, 'ids': e.ids, 'types': e.type_ids} for a, b in [(text(9), text(9)) for _ in range(10)] + [('', ''), ('a', '')] for e in [tokenizer.encode(a, b)]]

# Truncation, where the original gives an answer.
truncated = []
for _ in range(700):
    strategy, direction, most = random.choice(['longest_first', 'only_first', 'only_second']), random.choice(['left', 'right']), random.randint(3, 12)
    plain.enable_truncation(most, strategy=strategy, direction=direction)
    first, second = words(random.randint(0, 8)), random.choice([None, words(random.randint(0, 8))])
    try:
        encoding = plain.encode(first, second)
    except Exception:
        continue
    truncated.append([strategy, direction, most, first, second, encoding.ids, encoding.type_ids])
plain.no_truncation()

(here / 'golden.json').write_text(json.dumps({'groups': groups, 'truncated': {'tokenizer': json.loads(plain.to_str()), 'cases': truncated}}, ensure_ascii=True, separators=(',', ':')) + '\n')
