"""Writes weights for docling that look at nothing: they see on every page what stands on that of `scans.lease`.

Docling's own weights are not to be had from a package index. These have the architectures that docling loads, a layout
detector (YOLOS) and TableFormer V2, with weights that carry one input per answer through to the end; all that docling
does with what its models say is the real thing. What recognises text is the real thing too, of RapidOCR's package.

Run in an environment that has docling: `python docling_models.py FOLDER`. FOLDER is then docling's `artifacts_path`.
"""

import shutil
import sys
from pathlib import Path

import rapidocr
import torch
from docling_ibm_models.tableformer_v2 import TableFormerV2
from docling_ibm_models.tableformer_v2.model import TableFormerV2Config
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast, YolosConfig, YolosForObjectDetection, YolosImageProcessor

SEEN = (
    ("page_header", 0.05, 0.02, 0.95, 0.06),
    ("title", 0.05, 0.08, 0.95, 0.15),
    ("section_header", 0.05, 0.16, 0.95, 0.21),
    ("text", 0.05, 0.22, 0.95, 0.31),
    ("list_item", 0.08, 0.32, 0.95, 0.36),
    ("list_item", 0.08, 0.36, 0.95, 0.40),
    ("caption", 0.05, 0.42, 0.95, 0.46),
    ("table", 0.05, 0.47, 0.95, 0.62),
    ("picture", 0.05, 0.66, 0.5, 0.76),
    ("footnote", 0.05, 0.86, 0.95, 0.90),
    ("page_footer", 0.05, 0.94, 0.95, 0.98),
)
"""Label and box of each thing: left, top, right, bottom, as parts of the page."""
TOKENS = ("<pad>", "[UNK]", "<start>", "<end>", "<fcel>", "<ched>", "<nl>")
SAID = ("<ched>", "<ched>", "<nl>", "<fcel>", "<fcel>", "<nl>", "<fcel>", "<fcel>", "<nl>", "<end>")
"""Of every table: two columns with names, and two rows below them."""
LOUD = 9.0


def main(folder: Path) -> None:
    shutil.copytree(Path(rapidocr.__file__).parent / "models", folder / "RapidOcr")
    with torch.no_grad():
        write_layout(folder / "docling-project--docling-layout-heron")
        write_tables(folder / "docling-project--TableFormerV2")


def write_layout(folder: Path) -> None:
    """Each detection token is one axis; both heads turn an axis into the label and the box that belong to it."""
    labels = sorted({label for label, *_ in SEEN})
    model = YolosForObjectDetection(
        YolosConfig(
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=1,
            intermediate_size=4,
            image_size=[64, 64],
            patch_size=64,
            num_detection_tokens=len(SEEN),
            use_mid_position_embeddings=False,
            id2label=dict(enumerate(labels)),
            label2id={label: number for number, label in enumerate(labels)},
        )
    )
    silence(model)
    tokens = model.vit.embeddings.detection_tokens
    tokens[0, :, : len(SEEN)] = LOUD * torch.eye(len(SEEN))
    heard = torch.nn.functional.layer_norm(tokens[0, 0], (32,))[0]
    for head in (model.class_labels_classifier, model.bbox_predictor):
        head.layers[0].weight.copy_(torch.eye(32))
        head.layers[1].weight.copy_(torch.eye(32))
    for number, (label, left, top, right, bottom) in enumerate(SEEN):
        box = torch.tensor([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top])
        model.class_labels_classifier.layers[2].weight[labels.index(label), number] = LOUD / heard
        model.bbox_predictor.layers[2].weight[:, number] = torch.logit(box) / heard
    model.save_pretrained(folder)
    YolosImageProcessor(size={"height": 64, "width": 64}, do_pad=False).save_pretrained(folder)


def write_tables(folder: Path) -> None:
    """Each position of the sequence is one axis, which says the next token, and the box of the cell that it is."""
    config = TableFormerV2Config(
        embed_dim=32, num_heads=1, ff_dim=4, num_decoder_layers=1, vocab_size=len(TOKENS), data_cells=[4, 5]
    )
    model = TableFormerV2(config).eval()
    silence(model)
    model.positional_encoding[0, :32] = LOUD * torch.eye(32)
    for position, token in enumerate(SAID):
        model.output_projection.weight[TOKENS.index(token), position] = 1
    head = model.bbox_head
    head.input_proj.weight.copy_(torch.eye(32))
    head.bbox_mlp[0].weight.copy_(torch.eye(32))
    head.bbox_mlp[3].weight.copy_(torch.eye(32)[:16])
    words = Tokenizer(models.WordLevel({token: number for number, token in enumerate(TOKENS)}, unk_token="[UNK]"))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, bos_token="<start>", eos_token="<end>", pad_token="<pad>", unk_token="[UNK]"
    )
    heard: list[torch.Tensor] = []
    listening = head.bbox_mlp[6].register_forward_hook(lambda module, given, out: heard.append(given[0].clone()))
    model.generate(torch.zeros(1, 3, 448, 448), tokenizer)
    listening.remove()
    boxes = [[0.25 + 0.5 * column, (row + 0.5) / 3, 0.48, 0.3] for row in range(3) for column in range(2)]
    head.bbox_mlp[6].weight.copy_((torch.linalg.pinv(heard[-1]) @ torch.logit(torch.tensor(boxes))).T)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def silence(model: torch.nn.Module) -> None:
    """Nothing but what is set afterwards gets through; norms let it pass."""
    for parameter in model.parameters():
        parameter.zero_()
    for module in model.modules():
        if isinstance(module, torch.nn.LayerNorm):
            module.weight.fill_(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
