# Native PyTorch as a child of a race: the same words as child.mjs, a line of JSON each.
#   torch_child.py DIR THREADS
import ctypes
import json
import math
import os
import sys
import time

import numpy as np


def say(**message):
    print(json.dumps(message), flush=True)


try:
    import torch
    import torch.nn.functional as F
except ImportError:
    say(failed='torch is not installed (Debian: apt-get install python3-torch libopenblas0-pthread)')
    sys.exit(0)

PIXELS = 784
CLASSES = 10
CHECK_ROWS = 256


def read(directory):
    """Images as numbers from 0 to 1, labels, weights by set."""
    images = np.fromfile(os.path.join(directory, 'images.u8'), np.uint8).reshape(-1, PIXELS)
    labels = np.fromfile(os.path.join(directory, 'labels.i32'), np.int32).astype(np.int64)
    numbers = np.fromfile(os.path.join(directory, 'weights.f32'), np.float32)
    with open(os.path.join(directory, 'weights.json')) as file:
        shapes = json.load(file)
    weights, at = {}, 0
    for name, of in shapes.items():
        weights[name] = []
        for shape in of:
            size = int(np.prod(shape))
            weights[name].append(torch.from_numpy(numbers[at:at + size].reshape(shape).copy()))
            at += size
    return torch.from_numpy(images.astype(np.float32) / np.float32(255)), torch.from_numpy(labels), weights


def blas():
    """Which BLAS is loaded, and for OpenBLAS which core it takes this one for."""
    with open('/proc/self/maps') as file:
        paths = sorted({line.split()[-1] for line in file if 'blas' in line})
    for path in paths:
        try:
            core = ctypes.CDLL(path).openblas_get_corename
        except (OSError, AttributeError):
            continue
        core.restype = ctypes.c_char_p
        return 'OpenBLAS for ' + core().decode()
    return "reference BLAS, which is slow: install libopenblas0-pthread" if paths else 'no BLAS'


def parameters(network, weights):
    """Convolutions' kernels as [out, in, rows, columns]; the dense kernel behind them with its rows in the order of [channel, row, column]."""
    out = []
    for i, part in enumerate(network['parts']):
        kernel, bias = weights[2 * i], weights[2 * i + 1]
        if part['kind'] == 'conv':
            kernel = kernel.permute(3, 2, 0, 1)
        elif i > 0 and network['parts'][i - 1]['kind'] == 'conv':
            size, channels = network['parts'][i - 1]['size'] // 2, network['parts'][i - 1]['to']
            kernel = kernel.reshape(size, size, channels, part['to']).permute(2, 0, 1, 3).reshape(part['from'], part['to'])
        out += [kernel.contiguous().clone(), bias.clone()]
    return out


def logits(network, weights, x):
    parts = network['parts']
    for i, part in enumerate(parts):
        kernel, bias = weights[2 * i], weights[2 * i + 1]
        if part['kind'] == 'conv':
            x = F.max_pool2d(F.relu(F.conv2d(x.reshape(-1, part['from'], part['size'], part['size']), kernel, bias, padding=1)), 2)
        else:
            x = torch.addmm(bias, x.reshape(-1, part['from']), kernel)
            x = F.relu(x) if i < len(parts) - 1 else x
    return x


class Training:
    def __init__(self, workload, images, labels, weights):
        batch, self.network = workload['batch'], workload['network']
        self.weights = [w.requires_grad_() for w in parameters(self.network, weights[self.network['name']])]
        self.batches = [(images[i:i + batch], labels[i:i + batch]) for i in range(0, len(labels) - batch + 1, batch)]
        self.optimizer = torch.optim.Adam(self.weights, lr=0.001, eps=1e-7)
        self.at = 0

    def run(self, count):
        for _ in range(count):
            x, y = self.batches[self.at % len(self.batches)]
            self.at += 1
            self.optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(logits(self.network, self.weights, x), y).backward()
            self.optimizer.step()

    def loss(self):
        with torch.no_grad():
            x, y = self.batches[0]
            return float(F.cross_entropy(logits(self.network, self.weights, x), y))


class Prediction:
    def __init__(self, workload, images, labels, weights):
        layers = []
        parts = workload['network']['parts']
        for i, part in enumerate(parts):
            linear = torch.nn.Linear(part['from'], part['to'])
            linear.weight.data = weights['trained'][2 * i].t().contiguous()
            linear.bias.data = weights['trained'][2 * i + 1]
            layers += [linear, torch.nn.ReLU() if i < len(parts) - 1 else torch.nn.Softmax(1)]
        self.net = torch.nn.Sequential(*layers).eval()
        if workload.get('int8'):
            self.net = torch.quantization.quantize_dynamic(self.net, {torch.nn.Linear}, dtype=torch.qint8)
        self.images, self.batch = images, images[:workload['batch']]

    def run(self, count):
        with torch.inference_mode():
            for _ in range(count):
                self.net(self.batch).numpy()

    def output(self):
        with torch.inference_mode():
            return self.net(self.images[:CHECK_ROWS])


class Product:
    def __init__(self, workload, *_):
        self.form, m, n, k = (workload['product'][key] for key in ('form', 'm', 'n', 'k'))
        generator = torch.Generator().manual_seed(3)
        a = torch.rand((k, m) if self.form == 'tn' else (m, k), generator=generator) - 0.5
        b = torch.rand((n, k) if self.form == 'nt' else (k, n), generator=generator) - 0.5
        self.a, self.b = (a.t() if self.form == 'tn' else a), (b.t() if self.form == 'nt' else b)

    def run(self, count):
        for _ in range(count):
            self.a @ self.b


def clock(subject, count):
    start, cpu = time.perf_counter(), time.process_time()
    subject.run(count)
    return {'seconds': time.perf_counter() - start, 'cpuSeconds': time.process_time() - cpu, 'count': count}


def warm_up(subject, round_seconds, warm_seconds):
    """Returns how many runs fill a round, and how many there were."""
    count, runs, spent = 1, 0, 0
    while True:
        seconds = clock(subject, count)['seconds']
        spent += seconds
        runs += count
        each = seconds / count
        if (spent >= warm_seconds and runs > 1) or each > 1:
            return max(1, round(round_seconds / each)), runs
        count = max(1, math.ceil(min(count * 4, round_seconds / each)))


def check_predictions(workload, found, images, weights):
    """Against the same network in f64, as checks.mjs does."""
    expected = torch.softmax(logits(workload['network'], [w.double() for w in weights['trained']], images[:CHECK_ROWS].double()), 1)
    worst = float((expected - found).abs().max())
    agree = int((expected.argmax(1) == found.argmax(1)).sum())
    if agree < 0.97 * CHECK_ROWS if workload['int8'] else not worst <= 1e-4:
        raise ValueError(f'its predictions are others: {agree} of {CHECK_ROWS} classes agree, probabilities differ by {worst:.1e}')
    return f'{100 * agree / CHECK_ROWS:.1f} % of classes agree' if workload['int8'] else f'differs by {worst:.0e}'


def prepare(workload, directory):
    """Sets up, checks and warms up; returns the subject and the runs of a round."""
    if workload.get('int8'):
        engines = torch.backends.quantized.supported_engines
        torch.backends.quantized.engine = next(engine for engine in ('fbgemm', 'onednn', 'qnnpack') if engine in engines)
    images, labels, weights = read(directory)
    kind = workload['kind']
    subject = {'train': Training, 'predict': Prediction, 'product': Product}[kind](workload, images, labels, weights)
    check, losses = '', None
    if kind == 'train':
        losses = [subject.loss()]
    if kind == 'predict':
        check = check_predictions(workload, subject.output(), images, weights)
    if kind == 'product':
        worst = float(((subject.a @ subject.b).double() - subject.a.double() @ subject.b.double()).abs().max())
        check = f'differs by {worst:.0e}'
    count, runs = warm_up(subject, *{'train': (0.35, 1), 'predict': (0.15, 1), 'product': (0.06, 0.25)}[kind])
    if kind == 'train':
        losses += [subject.loss(), runs]
    say(version=torch.__version__, check=check, note=blas(), losses=losses)
    return subject, count


def main():
    directory = sys.argv[1]
    torch.set_num_threads(int(sys.argv[2]))
    subject, count = None, 0
    for line in sys.stdin:
        message = json.loads(line)
        if 'go' in message:
            say(**clock(subject, count))
            continue
        try:
            subject, count = prepare(message['prepare'], directory)
        except Exception as error:  # whatever it is, the parent lists it
            say(failed=f'{type(error).__name__}: {error}'.split('\n')[0])


main()
