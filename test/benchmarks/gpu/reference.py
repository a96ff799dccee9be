"""What the references in PyTorch and JAX share: sizes, tensors by Slim's names, and how a step is timed.

A case is one JSON object on the command line: model, batch, tokens, rank, classes, precision, phases, steps, mode,
and for tests `tensors`: a safetensors file with weights and batch, whose first loss is all that is asked for.
The answer is one JSON line on stdout."""
import json, struct, sys, time

VITS = {  # side, patch, width, blocks, heads, hidden (cli/models/presets.ts)
    'vit-pico': (32, 8, 64, 4, 4, 256),
    'vit-b16': (224, 16, 768, 12, 12, 3072),
}
BERTS = {'bert-pico': (64, 2, 2, 256), 'bert-base': (768, 12, 12, 3072)}
VOCABULARY, POSITIONS, TYPES = 30522, 512, 2
EPSILON, ALPHA, LEARNING_RATE, LAMBDA = 1e-12, 0.2, 1e-4, 0.5
LINEARS = ('query', 'key', 'value', 'attention', 'up', 'down')


class Sizes:
    def __init__(self, case):
        self.is_vit = case['model'] in VITS
        if self.is_vit:
            self.side, self.patch, self.width, self.blocks, self.heads, self.hidden = VITS[case['model']]
            self.tokens = (self.side // self.patch) ** 2 + 1
        else:
            self.width, self.blocks, self.heads, self.hidden = BERTS[case['model']]
            self.tokens = case['tokens']
        self.batch, self.rank, self.classes = case['batch'], case['rank'], case['classes']

    def linear(self, name):
        """(out, in) of a block's linear layer."""
        return {'up': (self.hidden, self.width), 'down': (self.width, self.hidden)}.get(name, (self.width, self.width))

    def shapes(self):
        """Frozen and trained tensors by Slim's names; what trains beside adapters is in both: the teacher keeps its own."""
        D, K = self.width, self.classes
        frozen, trained = {}, {}
        if self.is_vit:
            frozen['patch.weight'], frozen['patch.bias'] = (D, 3 * self.patch**2), (D,)
            frozen['embedding.cls'], frozen['embedding.position'] = (D,), (self.tokens, D)
        else:
            frozen['embedding.word'], frozen['embedding.position'] = (VOCABULARY, D), (POSITIONS, D)
            frozen['embedding.type'] = (TYPES, D)
        kept = {'norm': (D,), 'head': (K, D)} if self.is_vit else {'norm': (D,), 'pooler': (D, D), 'head': (K, D)}
        for i in range(self.blocks):
            kept[f'block.{i}.norm1'] = kept[f'block.{i}.norm2'] = (D,)
            for name in LINEARS:
                out, into = self.linear(name)
                layer = f'block.{i}.{name}'
                frozen[f'{layer}.weight'], frozen[f'{layer}.bias'] = (out, into), (out,)
                trained[f'{layer}.loraA'], trained[f'{layer}.loraB'] = (self.rank, into), (out, self.rank)
                trained[f'{layer}.loraC'] = (out,)
        for layer, shape in kept.items():
            for tensors in (frozen, trained):
                tensors[f'{layer}.weight'], tensors[f'{layer}.bias'] = shape, shape[:1]
        return frozen, trained


def read_tensors(path):
    """A safetensors file of F32 and I32 as NumPy arrays."""
    import numpy

    with open(path, 'rb') as file:
        (length,) = struct.unpack('<Q', file.read(8))
        header, data = json.loads(file.read(length)), file.read()
    dtypes = {'F32': '<f4', 'I32': '<i4'}
    return {
        name: numpy.frombuffer(data[slice(*entry['data_offsets'])], dtypes[entry['dtype']]).reshape(entry['shape'])
        for name, entry in header.items()
        if name != '__metadata__'
    }


def start_of(name):
    """What a tensor starts filled with where none is given, as in Slim, by its name; None: drawn from a normal."""
    if name.endswith('loraB') or name.endswith('loraC') or name.endswith('bias'):
        return 0.0
    return 1.0 if 'norm' in name else None


def encode(sizes, x, norm, attention, mlp):
    """The blocks: a ViT normalises before each layer, a BERT after each sum. → their outputs"""
    outputs = []
    for i in range(sizes.blocks):
        block = f'block.{i}'
        if sizes.is_vit:
            x = x + attention(block, norm(f'{block}.norm1', x))
            x = x + mlp(block, norm(f'{block}.norm2', x))
        else:
            x = norm(f'{block}.norm1', x + attention(block, x))
            x = norm(f'{block}.norm2', x + mlp(block, x))
        outputs.append(x)
    return outputs


def embed_texts(sizes, inputs, tensors):
    """Word, position and type of each token, summed."""
    positions = tensors['embedding.position'][: sizes.tokens]
    return tensors['embedding.word'][inputs['ids']] + positions + tensors['embedding.type'][inputs['types']]


def timed(step, wait, steps, batch):
    """The first call compiles; two more warm up; then rounds of four steps, each waited for once."""
    began = time.perf_counter()
    first = wait(step())
    compile_ms = 1e3 * (time.perf_counter() - began)
    for _ in range(2):
        wait(step())
    times = []
    for _ in range(max(1, steps // 4)):
        began = time.perf_counter()
        for _ in range(4):
            loss = step()
        wait(loss)
        times.append(1e3 * (time.perf_counter() - began) / 4)
    times.sort()
    median = times[len(times) // 2]
    return dict(
        medianMs=median, minMs=times[0], compileMs=compile_ms, samplesPerSecond=1e3 * batch / median, firstLoss=first
    )


def main(run):
    """Runs a case and prints what came of it. Libraries may print what they like elsewhere."""
    case = json.loads(sys.argv[1])
    print(json.dumps(run(case, Sizes(case))), flush=True)
