"""Low-rank adapters (LoRA, through ``peft``): training a few million weights beside a frozen model.

They go into the projections of every block, of both experts, so that one GPU can fine-tune a model that
it could not train whole. Merged, they leave no trace: the checkpoint has the public layout again. Merging is
arithmetic on one weight at a time and needs no model.
"""

from __future__ import annotations

from peft import LoraConfig, inject_adapter_in_model
from torch import Tensor

from engine.lab.training.dry_run import ADAPTED
from engine.model.bagel import Bagel

TARGETS = rf"language_model\.model\.layers\.\d+\.\w+\.({'|'.join(ADAPTED)})(_moe_gen)?"


SCALE = 2
"""Times which an adapter's product is added; peft divides ``lora_alpha`` by the rank."""


def add_adapters(model: Bagel, rank: int) -> Bagel:
    """Puts adapters of ``rank`` into ``model``, in place; only they are trained from then on, in float32.

    Fresh adapters change nothing: their second matrix is 0.
    """
    config = LoraConfig(r=rank, lora_alpha=SCALE * rank, target_modules=TARGETS, bias="none")
    inject_adapter_in_model(config, model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(".lora_" in name)
        if parameter.requires_grad:  # peft gives them the dtype of the weight they stand beside
            parameter.data = parameter.data.float()
    return model


def adapter_names(weight: str) -> tuple[str, str]:
    """The names of the two matrices of the adapter that would stand beside the weight of this name."""
    module = weight.removesuffix(".weight")
    return f"{module}.lora_A.default.weight", f"{module}.lora_B.default.weight"


def merged(weight: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """A weight [out, in] with its adapter, [rank, in] and [out, rank], added in float32; its dtype stays."""
    return (weight.float() + SCALE * (second.float() @ first.float())).to(weight.dtype)
