"""The PC-LoRA step of cli/train/step.ts in PyTorch: teacher and student, both losses, clipping, AdamW."""
import contextlib
import torch
import torch.nn.functional as F
from reference import (
    ALPHA, EPSILON, LAMBDA, LEARNING_RATE, LINEARS, VOCABULARY, embed_texts, encode, main, read_tensors, start_of, timed)


def run(case, sizes):
    device = case['device']
    bf16 = case['precision'] == 'bf16'
    torch.manual_seed(0)
    torch.set_float32_matmul_precision('highest' if case['precision'] == 'f32' else 'high')
    given = read_tensors(case['tensors']) if case.get('tensors') else {}

    def tensor(key, name, shape):
        if key in given:
            return torch.from_numpy(given[key].copy()).to(device)
        start = start_of(name)
        if start is None:
            return 0.02 * torch.randn(shape, device=device)
        return torch.full(shape, start, device=device)

    frozen_shapes, trained_shapes = sizes.shapes()
    frozen = {name: tensor(name, name, shape) for name, shape in frozen_shapes.items()}
    start = {name: tensor(f'trained {name}', name, shape) for name, shape in trained_shapes.items()}
    if bf16:  # as autocast would make of them at every step
        for name in frozen:
            if name.startswith('block.') and 'norm' not in name:
                frozen[name] = frozen[name].bfloat16()
    inputs = batch_of(sizes, given, device)
    labels = torch.from_numpy(given['labels'].copy()).long().to(device) if given else torch.zeros(
        sizes.batch, dtype=torch.long, device=device)
    fading = torch.tensor(LAMBDA, device=device)

    def time_phase(phase):
        trained = {name: value.clone().requires_grad_() for name, value in start.items()}
        # The fused optimizer is for GPUs.
        optimizer = torch.optim.AdamW(trained.values(), lr=LEARNING_RATE, weight_decay=0, fused=device != 'cpu')

        def losses():
            amp = torch.autocast(device, dtype=torch.bfloat16) if bf16 else contextlib.nullcontext()
            with amp:
                with torch.no_grad():
                    _, teacher = forward(sizes, inputs, frozen, dense(frozen))
                logits, student = forward(
                    sizes, inputs, {**frozen, **trained}, student_of(frozen, trained, fading, phase))
            feature = sum(difference(a, b, inputs.get('mask')) for a, b in zip(student, teacher)) / sizes.blocks
            return ALPHA * F.cross_entropy(logits.float(), labels) + (1 - ALPHA) * feature

        compiled = torch.compile(losses) if case['mode'] == 'compile' else losses

        def step():
            loss = compiled()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained.values(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            return loss

        if case.get('tensors'):
            return dict(firstLoss=losses().item())
        return timed(step, lambda loss: loss.item(), case['steps'], sizes.batch)

    phases = {phase: time_phase(phase) for phase in case['phases']}
    peak = torch.cuda.max_memory_allocated() if device == 'cuda' else None
    parameters = sum(value.numel() for value in start.values())
    return dict(library=f'torch {torch.__version__}', phases=phases, trainedParameters=parameters, peakDeviceBytes=peak)


def batch_of(sizes, given, device):
    if given:
        names = ('pixels',) if sizes.is_vit else ('ids', 'types', 'mask', 'dropout')
        return {name: torch.from_numpy(given[name].copy()).to(device) for name in names}
    B, T = sizes.batch, sizes.tokens
    if sizes.is_vit:
        return dict(pixels=torch.randn(B, 3, sizes.side, sizes.side, device=device))
    return dict(
        ids=torch.randint(0, VOCABULARY, (B, T), device=device),
        types=torch.zeros(B, T, dtype=torch.long, device=device),
        mask=torch.ones(B, T, device=device),
        dropout=torch.ones(B, sizes.width, device=device),
    )


def difference(student, teacher, mask):
    """The mean squared one, over tokens alone where a mask (B, T) says which are padding."""
    if mask is None:
        return F.mse_loss(student.float(), teacher.float())
    rows = ((student.float() - teacher.float()) ** 2).mean(-1)
    return (rows * mask).sum() / mask.sum()


def dense(tensors):
    return lambda layer, x: F.linear(x, tensors[f'{layer}.weight'], tensors[f'{layer}.bias'])


def student_of(frozen, trained, fading, phase):
    teacher = dense(frozen)

    def linear(layer, x):
        A, B, C = (trained[f'{layer}.lora{letter}'] for letter in 'ABC')
        low = F.linear(F.linear(x, A), B, C)
        return low if phase == 'adapters' else fading * teacher(layer, x) + low

    return linear


def forward(sizes, inputs, tensors, linear):
    """`tensors`: norms, head and embeddings; `linear`: a block's layers. → logits, block outputs (B, T, D)"""
    B, T, D, H = sizes.batch, sizes.tokens, sizes.width, sizes.heads
    dense_layer = dense(tensors)

    def norm(name, x):
        return F.layer_norm(x.float(), (D,), tensors[f'{name}.weight'], tensors[f'{name}.bias'], EPSILON)

    def attention(block, x):
        q, k, v = (linear(f'{block}.{name}', x).view(B, T, H, D // H).transpose(1, 2) for name in LINEARS[:3])
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return linear(f'{block}.attention', mixed.transpose(1, 2).reshape(B, T, D))

    def mlp(block, x):
        return linear(f'{block}.down', F.gelu(linear(f'{block}.up', x)))

    mask = None
    if sizes.is_vit:
        n, p = sizes.side // sizes.patch, sizes.patch
        patches = inputs['pixels'].view(B, 3, n, p, n, p).permute(0, 2, 4, 1, 3, 5).reshape(B, n * n, 3 * p * p)
        first = tensors['embedding.cls'].expand(B, 1, D)
        x = torch.cat([first, dense_layer('patch', patches).float()], 1) + tensors['embedding.position']
        outputs = encode(sizes, x, norm, attention, mlp)
        return dense_layer('head', norm('norm', outputs[-1][:, 0])), outputs
    mask = inputs['mask'].bool()[:, None, None, :]
    x = norm('norm', embed_texts(sizes, inputs, tensors))
    outputs = encode(sizes, x, norm, attention, mlp)
    return dense_layer('head', torch.tanh(dense_layer('pooler', outputs[-1][:, 0])) * inputs['dropout']), outputs


main(run)
