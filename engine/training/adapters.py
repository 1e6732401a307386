"""Low-rank adapters (LoRA, through ``peft``): training a few million weights beside a frozen model.

They go into the projections of every block, of both experts, so that one card can fine-tune a model that
it could not train whole. Merged, they leave no trace: the checkpoint has the public layout again.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import Tensor

from engine.model.bagel import Bagel
from engine.training.dry_run import ADAPTED

TARGETS = rf"language_model\.model\.layers\.\d+\.\w+\.({'|'.join(ADAPTED)})(_moe_gen)?"


def add_adapters(model: Bagel, rank: int) -> Bagel:
    """Puts adapters of ``rank`` into ``model``, in place; only they are trained from then on.

    Fresh adapters change nothing: their second matrix is 0.
    """
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=TARGETS, bias="none")
    inject_adapter_in_model(config, model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(".lora_" in name)
    return model


@torch.no_grad()
def merge_adapters(model: Bagel) -> Bagel:
    """Adds the adapters' products to the weights they stand beside and takes them out, in place."""
    for name, module in [(n, m) for n, m in model.named_modules() if isinstance(m, LoraLayer)]:
        module.merge()
        owner, _, leaf = name.rpartition(".")
        setattr(model.get_submodule(owner), leaf, module.get_base_layer())
    return model.requires_grad_(True)


def fill_and_merge(model: Bagel, adapters: Mapping[str, Tensor]) -> Bagel:
    """A bare model and the adapters trained beside it -> the model with them merged in, in place."""
    add_adapters(model, next(len(value) for name, value in adapters.items() if ".lora_A." in name))
    model.load_state_dict(adapters, strict=False)
    return merge_adapters(model)
