"""The loop everybody knows, line for line, on Mason: fine-tune BERT as a classifier.

    python examples/mission.py

Without internet, name weights that are here: MASON_HUB_WEIGHTS=all-MiniLM-L6-v2.
"""

import os
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader

from mason.sources import find_model
from mason.text import load_tokenizer

REPOSITORY = str(Path(__file__).resolve().parents[1])
TEXTS = {
    "weather": ["Rain all week.", "Sunny and 30 degrees.", "Snow closes the pass.", "Fog at dawn."],
    "food": ["The soup was cold.", "Bake for 20 minutes.", "Too much salt.", "Ripe mangoes!"],
    "travel": ["The train is late.", "Gate 7 boards now.", "We missed the bus.", "No rooms left."],
}


def batches(size: int = 4) -> DataLoader[dict[str, torch.Tensor]]:
    """The texts in padded batches, as a Hugging Face tokenizer gives them."""
    weights = os.environ.get("MASON_HUB_WEIGHTS", "bert-base-uncased")
    tokenizer = load_tokenizer(find_model(weights))
    rows = [(text, i) for i, texts in enumerate(TEXTS.values()) for text in texts]

    def collate(chosen: list[tuple[str, int]]) -> dict[str, torch.Tensor]:
        ids = [torch.tensor(e.ids) for e in tokenizer.encode([text for text, _ in chosen])]
        ones = [torch.ones_like(row) for row in ids]
        padded, mask = (nn.utils.rnn.pad_sequence(x, batch_first=True) for x in (ids, ones))
        labels = torch.tensor([label for _, label in chosen])
        return {"input_ids": padded, "attention_mask": mask, "labels": labels}

    return DataLoader(rows, size, shuffle=True, collate_fn=collate)  # type: ignore[arg-type]


torch.manual_seed(1)
num_classes = len(TEXTS)
num_epochs = 8
train_dataloader = batches()
losses = []

# ruff: noqa: B007
# fmt: off
# ............... between the dots nothing is written for Mason ................
model = torch.hub.load(REPOSITORY, 'bert-base-uncased', source='local')
model.classifier = nn.Linear(model.config.hidden_size, num_classes)

optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)
criterion = nn.CrossEntropyLoss()

for epoch in range(num_epochs):
    for batch in train_dataloader:
        input_ids = batch['input_ids']
        attention_mask = batch['attention_mask']
        labels = batch['labels']

        outputs = model(input_ids, attention_mask=attention_mask)
        loss = criterion(outputs.logits, labels)

        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

        losses.append(loss.item())  # but this line
# ...............................................................................
# fmt: on

print(f"loss {losses[0]:.3f} → {losses[-1]:.3f}")
if __name__ == "__main__":
    model.save_pretrained("runs/mission")
    print("saved in runs/mission")
