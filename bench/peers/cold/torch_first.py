# Native PyTorch: the first prediction of the worked example.
import json
import time

import torch

torch.set_num_threads(1)
sizes = [784, 64, 64, 10]
layers = [torch.nn.Linear(a, b) for a, b in zip(sizes, sizes[1:])]
with torch.inference_mode():
    x = torch.rand(1, sizes[0])
    for layer in layers[:-1]:
        x = torch.relu(layer(x))
    x = torch.softmax(layers[-1](x), 1)
print(json.dumps({'probabilities': [], 'cpuSeconds': time.process_time()}), flush=True)
