"""A reward model with random weights on the starter model's tokenizer."""

import shutil
from pathlib import Path

from app.engines.roles import STARTER


def classifier(folder: Path, labels: int = 1) -> Path:
    """Write the checkpoint of a small sequence classifier into `folder`, and return it."""
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    config = AutoConfig.from_pretrained(STARTER, local_files_only=True)
    config.update({"num_hidden_layers": 1, "layer_types": config.layer_types[:1], "num_labels": labels})
    torch.manual_seed(5)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copyfile(STARTER / name, folder / name)
    return folder
