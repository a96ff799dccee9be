"""The PC-LoRA step of cli/train/step.ts in JAX, one jit: products take bf16 where asked, everything else is f32."""
import jax
import jax.numpy as jnp
from functools import partial
from reference import (
    ALPHA, EPSILON, LAMBDA, LEARNING_RATE, LINEARS, VOCABULARY, embed_texts, encode, main, read_tensors, start_of, timed)


def run(case, sizes):
    jax.config.update('jax_default_matmul_precision', 'highest' if case['precision'] == 'f32' else 'default')
    products = jnp.bfloat16 if case['precision'] == 'bf16' else jnp.float32
    given = read_tensors(case['tensors']) if case.get('tensors') else {}
    keys = iter(jax.random.split(jax.random.key(0), 4096))

    def tensor(key, name, shape):
        if key in given:
            return jnp.asarray(given[key])
        start = start_of(name)
        return 0.02 * jax.random.normal(next(keys), shape) if start is None else jnp.full(shape, start)

    frozen_shapes, trained_shapes = sizes.shapes()
    frozen = {name: tensor(name, name, shape) for name, shape in frozen_shapes.items()}
    start = {name: tensor(f'trained {name}', name, shape) for name, shape in trained_shapes.items()}
    for name in frozen:
        if name.startswith('block.') and name.endswith('weight') and 'norm' not in name:
            frozen[name] = frozen[name].astype(products)
    inputs = batch_of(sizes, given, keys)
    labels = jnp.asarray(given['labels']) if given else jnp.zeros(sizes.batch, jnp.int32)

    def loss_of(trained, frozen, inputs, labels, fading, phase):
        _, teacher = forward(sizes, inputs, frozen, dense(frozen, products), products)
        student_layers = student_of(frozen, trained, fading, phase, products)
        logits, student = forward(sizes, inputs, {**frozen, **trained}, student_layers, products)
        feature = sum(difference(a, b, inputs.get('mask')) for a, b in zip(student, teacher)) / sizes.blocks
        task = -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1))
        return ALPHA * task + (1 - ALPHA) * feature

    @partial(jax.jit, static_argnames='phase', donate_argnums=(0, 1, 2))
    def update(trained, m, v, number, frozen, inputs, labels, fading, phase):
        loss, gradients = jax.value_and_grad(loss_of)(trained, frozen, inputs, labels, fading, phase)
        size = jnp.sqrt(sum(jnp.sum(g * g) for g in jax.tree.leaves(gradients)))
        g = jax.tree.map(lambda g: g * jnp.minimum(1.0, 1.0 / (size + 1e-6)), gradients)
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
        c1, c2 = 1 - 0.9**number, 1 - 0.999**number
        trained = jax.tree.map(
            lambda p, m, v: p - LEARNING_RATE * (m / c1) / (jnp.sqrt(v / c2) + 1e-8), trained, m, v)
        return loss, trained, m, v

    def time_phase(phase):
        if case.get('tensors'):
            return dict(firstLoss=float(loss_of(start, frozen, inputs, labels, LAMBDA, phase)))
        state = [jax.tree.map(lambda x: x + 0, start), *(jax.tree.map(jnp.zeros_like, start) for _ in range(2))]
        number = 0

        def step():
            nonlocal number
            number += 1
            loss, *state[:] = update(*state, jnp.float32(number), frozen, inputs, labels, jnp.float32(LAMBDA), phase)
            return loss

        return timed(step, float, case['steps'], sizes.batch)

    phases = {phase: time_phase(phase) for phase in case['phases']}
    peak = (jax.devices()[0].memory_stats() or {}).get('peak_bytes_in_use')
    parameters = sum(value.size for value in start.values())
    return dict(library=f'jax {jax.__version__}', phases=phases, trainedParameters=parameters, peakDeviceBytes=peak)


def batch_of(sizes, given, keys):
    if given:
        names = ('pixels',) if sizes.is_vit else ('ids', 'types', 'mask', 'dropout')
        return {name: jnp.asarray(given[name]) for name in names}
    B, T = sizes.batch, sizes.tokens
    if sizes.is_vit:
        return dict(pixels=jax.random.normal(next(keys), (B, 3, sizes.side, sizes.side)))
    return dict(
        ids=jax.random.randint(next(keys), (B, T), 0, VOCABULARY),
        types=jnp.zeros((B, T), jnp.int32),
        mask=jnp.ones((B, T)),
        dropout=jnp.ones((B, sizes.width)),
    )


def difference(student, teacher, mask):
    """The mean squared one, over tokens alone where a mask (B, T) says which are padding."""
    rows = ((student - jax.lax.stop_gradient(teacher)) ** 2).mean(-1)
    return rows.mean() if mask is None else (rows * mask).sum() / mask.sum()


def dense(tensors, products):
    def linear(layer, x):
        y = x.astype(products) @ tensors[f'{layer}.weight'].T.astype(products)
        return y.astype(jnp.float32) + tensors[f'{layer}.bias']

    return linear


def student_of(frozen, trained, fading, phase, products):
    teacher = dense(frozen, products)

    def linear(layer, x):
        A, B, C = (trained[f'{layer}.lora{letter}'] for letter in 'ABC')
        low = (x.astype(products) @ A.T.astype(products)) @ B.T.astype(products)
        low = low.astype(jnp.float32) + C
        return low if phase == 'adapters' else fading * teacher(layer, x) + low

    return linear


def forward(sizes, inputs, tensors, linear, products):
    """`tensors`: norms, head and embeddings; `linear`: a block's layers. → logits, block outputs (B, T, D)"""
    B, T, D, H = sizes.batch, sizes.tokens, sizes.width, sizes.heads
    dense_layer = dense(tensors, products)

    def norm(name, x):
        centred = x - x.mean(-1, keepdims=True)
        scale = jax.lax.rsqrt((centred * centred).mean(-1, keepdims=True) + EPSILON)
        return centred * scale * tensors[f'{name}.weight'] + tensors[f'{name}.bias']

    def attention(block, x):
        q, k, v = (linear(f'{block}.{n}', x).reshape(B, T, H, D // H).astype(products) for n in LINEARS[:3])
        scores = jnp.einsum('bqhd,bkhd->bhqk', q, k, preferred_element_type=jnp.float32) / (D // H) ** 0.5
        shares = jax.nn.softmax(scores if mask is None else jnp.where(mask, scores, -1e9)).astype(products)
        return linear(f'{block}.attention', jnp.einsum('bhqk,bkhd->bqhd', shares, v).reshape(B, T, D))

    def mlp(block, x):
        return linear(f'{block}.down', jax.nn.gelu(linear(f'{block}.up', x), approximate=False))

    mask = None
    if sizes.is_vit:
        n, p = sizes.side // sizes.patch, sizes.patch
        patches = inputs['pixels'].reshape(B, 3, n, p, n, p).transpose(0, 2, 4, 1, 3, 5).reshape(B, n * n, 3 * p * p)
        first = jnp.broadcast_to(tensors['embedding.cls'], (B, 1, D))
        x = jnp.concatenate([first, dense_layer('patch', patches)], 1) + tensors['embedding.position']
        outputs = encode(sizes, x, norm, attention, mlp)
        return dense_layer('head', norm('norm', outputs[-1][:, 0])), outputs
    mask = inputs['mask'].astype(bool)[:, None, None, :]
    x = norm('norm', embed_texts(sizes, inputs, tensors))
    outputs = encode(sizes, x, norm, attention, mlp)
    return dense_layer('head', jnp.tanh(dense_layer('pooler', outputs[-1][:, 0])) * inputs['dropout']), outputs


main(run)
