"""A batch and its pieces: every field cut alike, each piece with the same mix."""

import torch

from clnorm.training.batch import Batch


def test_pieces_hold_every_clip_once_with_all_that_belongs_to_it():
    ids = torch.arange(7)
    batch = Batch(
        ids=ids,
        clips=ids[:, None] * 10.0,
        targets=ids + 100,
        partners=ids + 200,
        tasks=ids + 300,
        recalled=ids >= 4,
        own_share=0.7,
    )
    pieces = [batch.piece(index, 3) for index in range(3)]
    assert [piece.ids.tolist() for piece in pieces] == [[0, 3, 6], [1, 4], [2, 5]]
    assert [len(piece) for piece in pieces] == [3, 2, 2]
    assert [int(piece.recalled.sum()) for piece in pieces] == [1, 1, 1]
    for piece in pieces:
        assert piece.clips[:, 0].tolist() == (piece.ids * 10).tolist()
        assert torch.equal(piece.targets, piece.ids + 100)
        assert torch.equal(piece.partners, piece.ids + 200)
        assert torch.equal(piece.tasks, piece.ids + 300)
        assert piece.own_share == 0.7
