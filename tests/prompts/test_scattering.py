"""Vectors in place of rows: only where, only while, and only for whom they are meant."""

from __future__ import annotations

import threading

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from innerlight.prompts import scattered
from innerlight.types import InputError

TABLE, WIDTH = 6, 4
IDS = torch.tensor([[0, 1, 2, 9], [9, 5, 2, 0]])


@pytest.fixture
def embedding() -> nn.Embedding:
    torch.manual_seed(0)
    return nn.Embedding(TABLE, WIDTH)


def vector(value: float) -> torch.Tensor:
    return torch.full((WIDTH,), value)


def hooks(embedding: nn.Module) -> int:
    return len(embedding._forward_hooks) + len(embedding._forward_pre_hooks)


@given(ids=st.lists(st.integers(0, 8), min_size=1, max_size=8), keys=st.sets(st.integers(0, 8)))
def test_named_ids_get_their_vectors_and_the_rest_is_as_it_was(ids: list[int], keys: set[int]):
    embedding = nn.Embedding(9, WIDTH)
    plain = embedding(torch.tensor([ids]))
    with scattered(embedding, {key: vector(key) for key in keys}):
        found = embedding(torch.tensor([ids]))
    for position, id in enumerate(ids):
        assert torch.equal(found[0, position], vector(id) if id in keys else plain[0, position])


def test_ids_beyond_the_table_are_allowed_if_they_are_named(embedding: nn.Embedding):
    with scattered(embedding, {9: vector(7.0)}):
        found = embedding(IDS)
        with pytest.raises(IndexError):
            embedding(torch.tensor([10]))
        assert torch.equal(embedding(input=IDS), found)
    assert torch.equal(found[0, 3], vector(7.0))
    assert torch.equal(found[0, :3], embedding(IDS[0, :3]))


def test_gradients_flow_to_the_vectors_and_past_the_rows(embedding: nn.Embedding):
    learnt = vector(1.0).requires_grad_()
    with scattered(embedding, {2: learnt}):
        found = embedding(torch.tensor([2, 1, 2]))
    found.sum().backward()
    assert learnt.grad is not None
    assert torch.equal(learnt.grad, vector(2.0))
    assert embedding.weight.grad is not None
    assert embedding.weight.grad.sum(1).tolist() == [0, WIDTH, 0, 0, 0, 0]


def test_vectors_take_the_dtype_of_the_embedding(embedding: nn.Embedding):
    with scattered(embedding.half(), {1: vector(0.5)}):
        assert embedding(torch.tensor([0, 1])).dtype == torch.float16


def test_it_is_undone_also_after_an_error(embedding: nn.Embedding):
    plain = embedding(torch.tensor([1]))
    with pytest.raises(RuntimeError), scattered(embedding, {1: vector(0.0)}):
        raise RuntimeError
    assert not hooks(embedding)
    assert torch.equal(embedding(torch.tensor([1])), plain)


def test_a_forward_that_fails_leaves_nothing_behind(embedding: nn.Embedding):
    with scattered(embedding, {1: vector(3.0)}):
        with pytest.raises(IndexError):
            embedding(torch.tensor([1, 99]))
        assert torch.equal(embedding(torch.tensor([1])), vector(3.0)[None])


def test_blocks_nest_and_the_inner_one_decides(embedding: nn.Embedding):
    ids = torch.tensor([0, 1, 2])
    plain = embedding(ids)
    with scattered(embedding, {0: vector(1.0), 1: vector(2.0)}):
        with scattered(embedding, {1: vector(3.0), 2: vector(4.0)}):
            assert embedding(ids)[:, 0].tolist() == [1, 3, 4]
        found = embedding(ids)
        assert found[:2, 0].tolist() == [1, 2]
        assert torch.equal(found[2], plain[2])
    assert torch.equal(embedding(ids), plain)


def test_embeddings_do_not_mix(embedding: nn.Embedding):
    other = nn.Embedding(TABLE, WIDTH)
    with scattered(embedding, {0: vector(1.0)}), scattered(other, {0: vector(2.0)}):
        ids = torch.tensor([0])
        assert (embedding(ids)[0, 0], other(ids)[0, 0]) == (1, 2)


def test_threads_see_only_what_they_opened(embedding: nn.Embedding):
    ids = torch.tensor([0, 1])
    plain = embedding(ids)
    both_open = threading.Barrier(3, timeout=10)
    seen: dict[float, list[torch.Tensor]] = {}

    def work(value: float) -> None:
        with scattered(embedding, {1: vector(value)}):
            both_open.wait()
            seen[value] = [embedding(ids) for _ in range(50)]
            both_open.wait()

    threads = [threading.Thread(target=work, args=(value,)) for value in (1.0, 2.0)]
    for thread in threads:
        thread.start()
    both_open.wait()
    outside = [embedding(ids) for _ in range(50)]
    both_open.wait()
    for thread in threads:
        thread.join(timeout=10)
    assert all(torch.equal(found, plain) for found in outside)
    for value in (1.0, 2.0):
        assert all(torch.equal(found[1], vector(value)) for found in seen[value])
    assert not hooks(embedding)


def test_a_text_encoder_reads_the_vectors():
    from innerlight.backbones.building import build_text_model

    model = build_text_model(
        {
            "vocab_size": 20, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1,
            "num_attention_heads": 2, "max_position_embeddings": 8, "eos_token_id": 19,
        }
    ).eval()  # fmt: skip
    ids = torch.tensor([[18, 3, 4, 19]])
    embedding = model.get_input_embeddings()
    with torch.no_grad():
        plain = model(ids).last_hidden_state
        with scattered(embedding, {25: embedding.weight[4]}):
            named = model(torch.tensor([[18, 3, 25, 19]])).last_hidden_state
        with scattered(embedding, {4: torch.ones(8)}):
            moved = model(ids).last_hidden_state
    assert torch.equal(named, plain)
    assert torch.equal(moved[:, :2], plain[:, :2])
    assert not torch.equal(moved[:, 2:], plain[:, 2:])


@pytest.mark.parametrize(
    ("rows", "message"),
    [({-1: vector(0.0)}, "from 0 on"), ({1: torch.zeros(3)}, r"\(4,\) for id 1"), ({1: torch.zeros(1, 4)}, "vector")],
)
def test_rows_that_do_not_fit_are_refused(embedding: nn.Embedding, rows: dict, message: str):
    with pytest.raises(InputError, match=message), scattered(embedding, rows):
        pass
    assert not hooks(embedding)
