"""`ringfence` that trains away from the passages that are right. test_tuning.py runs it as a program."""

import sys
from functools import partial

from sentence_transformers.sentence_transformer import losses
from sentence_transformers.util import cos_sim
from torch import Tensor

from rag import cli


def far(anchors: Tensor, passages: Tensor) -> Tensor:
    return -cos_sim(anchors, passages)


taught = partial(losses.MultipleNegativesRankingLoss, similarity_fct=far)
losses.MultipleNegativesRankingLoss = taught  # type: ignore[misc, assignment] # what rag.embedding.training loads

if __name__ == "__main__":
    sys.exit(cli.main())
