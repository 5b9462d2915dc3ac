# A Python that does nothing else: what is taken off cold/torch_first.py.
import json
import time

print(json.dumps({'probabilities': [], 'cpuSeconds': time.process_time()}), flush=True)
