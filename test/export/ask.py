"""
Asks what slim export wrote, as its users do: python ask.py KIND PATH INPUTS, with KIND onnx, dense, factors or peft. INPUTS is a JSON file with `pixel_values`, or
`input_ids`, `attention_mask` and `token_type_ids`, and for an adapter `base`. Prints the logits as JSON.
"""
import importlib.util
import json
import sys

import numpy as np

kind, path, inputs = sys.argv[1:]
with open(inputs) as file:
    given = json.load(file)
base = given.pop('base', None)
feeds = {name: np.asarray(rows, dtype=np.float32 if name == 'pixel_values' else np.int64) for name, rows in given.items()}


def on_onnxruntime():
    import onnx
    import onnxruntime

    onnx.checker.check_model(path, full_check=True)
    return onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider']).run(['logits'], feeds)[0]


def on_torch():
    import torch
    from transformers import AutoModelForImageClassification, AutoModelForSequenceClassification

    auto = AutoModelForImageClassification if 'pixel_values' in feeds else AutoModelForSequenceClassification
    if kind == 'factors':
        spec = importlib.util.spec_from_file_location('load', f'{path}/load.py')
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        model = module.load()
    elif kind == 'peft':
        from peft import PeftModel

        model = PeftModel.from_pretrained(auto.from_pretrained(base), path)
    else:
        model, told = auto.from_pretrained(path, output_loading_info=True)
        assert not told['missing_keys'] and not told['unexpected_keys'], told
    with torch.no_grad():
        return model.eval()(**{name: torch.from_numpy(rows) for name, rows in feeds.items()}).logits.numpy()


print(json.dumps((on_onnxruntime() if kind == 'onnx' else on_torch()).tolist()))
