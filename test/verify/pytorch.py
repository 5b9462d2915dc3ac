# The problems of sequences.mjs in PyTorch, in the same configuration: same data, layers, Keras' first values, Adam, clipping, batches, epochs.
#   python3 pytorch.py adding|characters SEED DATA   prints the loss on unseen data and the seconds of training, evaluation not counted
import os
import sys
import time
import torch
from torch import nn

problem, seed, root = sys.argv[1], int(sys.argv[2]), sys.argv[3]
torch.manual_seed(seed)
torch.set_num_threads(1)


def adding(n, state, steps=50):
    x, y = torch.zeros(n, steps, 2), torch.zeros(n, 1)
    for i in range(n):
        def following():
            nonlocal state
            state = (state * 1664525 + 1013904223) % 2**32
            return state / 2**32
        x[i, :, 0] = torch.tensor([following() for _ in range(steps)])
        for start in (0, steps // 2):
            at = start + int(following() * (steps // 2))
            x[i, at, 1] = 1
            y[i] += x[i, at, 0]
    return x, y


def windows(code, classes, steps=64):
    n = (len(code) - 1) // steps
    x = nn.functional.one_hot(code[:n * steps].view(n, steps), classes).to(torch.uint8)
    return x, code[1:n * steps + 1].view(n, steps)


class Net(nn.Module):
    def __init__(self, inputs, outputs, sequences, units=128):
        super().__init__()
        self.lstm, self.head, self.sequences = nn.LSTM(inputs, units, batch_first=True), nn.Linear(units, outputs), sequences
        nn.init.xavier_uniform_(self.lstm.weight_ih_l0)
        nn.init.orthogonal_(self.lstm.weight_hh_l0)
        nn.init.zeros_(self.lstm.bias_hh_l0)
        nn.init.zeros_(self.lstm.bias_ih_l0)
        nn.init.ones_(self.lstm.bias_ih_l0[units:2 * units])
        # PyTorch adds a second bias that Keras has not.
        self.lstm.bias_hh_l0.requires_grad_(False)
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x):
        hs, _ = self.lstm(x.float())
        return self.head(hs if self.sequences else hs[:, -1])


if problem == 'adding':
    train, test, net, rate, batch, epochs = adding(10000, 1), adding(1000, 2), Net(2, 1, False), 0.003, 50, 10
    loss_of = nn.functional.mse_loss
else:
    text = open(os.path.join(root, 'tiny-shakespeare/input.txt')).read()
    characters = sorted(set(text))
    code = torch.tensor([characters.index(c) for c in text])
    cut = int(len(text) * 0.9)
    train, test = windows(code[:cut], len(characters)), windows(code[cut:], len(characters))
    net, rate, batch, epochs = Net(len(characters), len(characters), True), 0.005, 64, 5

    def loss_of(y, t):
        return nn.functional.cross_entropy(y.flatten(0, 1), t.flatten())

optimizer = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=rate, eps=1e-7)
start = time.time()
for epoch in range(epochs):
    order = torch.randperm(len(train[0]))
    for rows in order.split(batch):
        optimizer.zero_grad()
        loss_of(net(train[0][rows]), train[1][rows]).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1)
        optimizer.step()
seconds = time.time() - start
with torch.no_grad():
    parts = [(loss_of(net(x), t).item() * len(x), len(x)) for x, t in zip(test[0].split(256), test[1].split(256))]
print(f'{torch.__version__}: {sum(a for a, _ in parts) / sum(b for _, b in parts):.5f} in {seconds:.0f} s')
