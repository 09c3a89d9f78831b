"""files.py DIR: makes DIR/tree with 50,000 files of 100 bytes to 8 KiB of word-like text, always the same."""

import os
import random
import sys

FILES, FOLDERS = 50_000, 2_000
SMALLEST, LARGEST = 100, 8192

random.seed(50_000)
words = ["".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=random.randint(2, 11))) for _ in range(4000)]
# One long text of which every file is a part: compresses like source code, and is quick to make.
text = " ".join(random.choices(words, k=600_000)).encode()

folders = ["tree"]
for number in range(FOLDERS - 1):
    # Three levels or so: half of the folders lie at the top, the others inside earlier ones.
    parent = "tree" if number % 2 == 0 else random.choice(folders[1:200])
    folders.append(f"{parent}/{random.choice(words)}-{number}")
for folder in folders:
    os.makedirs(os.path.join(sys.argv[1], folder))
for number in range(FILES):
    size = int(SMALLEST * (LARGEST / SMALLEST) ** random.random())
    start = random.randrange(len(text) - size)
    name = f"{random.choice(words)}_{number}.{random.choice(['js', 'py', 'json', 'txt', 'map'])}"
    with open(os.path.join(sys.argv[1], folders[number % FOLDERS], name), "xb") as file:
        file.write(text[start : start + size])
