"""Makes the default checkpoint's tokenizer: Qwen2's byte-level BPE, learned on the storybook's English.

A checkpoint goes over to another tokenizer with :func:`move_word_rows`.

Byte-level means that any text at all can be encoded; learned on our own corpus means that a storybook
word is nearly always one token, which keeps trajectories short.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from torch import Tensor

from engine.checkpoints.sizes import EMBEDDING, LM_HEAD

# Qwen2's split rule, from its tokenizer's file: contractions, words with a leading non-letter, single digits.
SPLIT = "|".join(
    (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)",
        r"[^\r\n\p{L}\p{N}]?\p{L}+",
        r"\p{N}",
        r" ?[^\s\p{L}\p{N}]+[\r\n]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>")


def train_tokenizer(texts: Iterable[str], target: Path, vocabulary: int = 1200) -> Tokenizer:
    """Learns at most ``vocabulary`` byte-pair tokens from ``texts``; writes the public files to ``target``.

    Files: ``tokenizer.json``, ``vocab.json``, ``merges.txt``, ``tokenizer_config.json``.
    """
    tokenizer = Tokenizer(models.BPE(unk_token=None, byte_fallback=False))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated", invert=False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=8,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    target.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(target / "tokenizer.json"))
    tokenizer.model.save(str(target))
    added = {
        str(tokenizer.token_to_id(token)): {
            "content": token,
            "lstrip": False,
            "normalized": False,
            "rstrip": False,
            "single_word": False,
            "special": True,
        }
        for token in SPECIAL
    }
    config = {
        "add_prefix_space": False,
        "added_tokens_decoder": added,
        "additional_special_tokens": list(SPECIAL[1:]),
        "bos_token": None,
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|im_end|>",
        "errors": "replace",
        "model_max_length": 32768,
        "pad_token": "<|endoftext|>",
        "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer",
        "unk_token": None,
    }
    (target / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")
    return tokenizer


def move_word_rows(
    weights: Mapping[str, Tensor], old: Tokenizer, new: Tokenizer, rows: int
) -> dict[str, Tensor]:
    """A checkpoint's weights for another tokenizer, with ``rows`` rows in what has a row for every token.

    A token that both know keeps its row, specials among them. A new one starts as the mean of the rows of
    the old pieces of its string; rows of no token start as the mean of all.
    """
    known = old.get_vocab()
    pieces = [
        [known[token]] if token in known else [piece.id for piece in old.model.tokenize(token)]
        for token, _ in sorted(new.get_vocab().items(), key=lambda item: item[1])
    ]
    moved = dict(weights)
    for name in (EMBEDDING, LM_HEAD):
        if name in weights:
            table = weights[name]
            means = [table[ids].mean(0) for ids in pieces]
            spare = table[: len(known)].mean(0)
            moved[name] = torch.stack(means + [spare] * (rows - len(means)))
    return moved
