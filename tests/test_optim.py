"""SGD and Adam, step by step against torch; groups, state, errors."""

import copy
import math
import pickle

import numpy as np
import pytest

from pyconv import Tensor, nn, optim

SGD_OPTIONS = [
    {},
    {"momentum": 0.9},
    {"momentum": 0.9, "dampening": 0.3},
    {"momentum": 0.9, "nesterov": True},
    {"weight_decay": 0.1},
    {"momentum": 0.5, "weight_decay": 0.1, "nesterov": True, "maximize": True},
    {"lr": 0.0},
]
ADAM_OPTIONS = [
    {},
    {"betas": (0.5, 0.9)},
    {"eps": 1e-2},
    {"weight_decay": 0.1},
    {"amsgrad": True},
    {"amsgrad": True, "weight_decay": 0.05, "maximize": True, "betas": (0.0, 0.0)},
]
BOTH = [("SGD", o) for o in SGD_OPTIONS] + [("Adam", o) for o in ADAM_OPTIONS]


def starts(dtype=np.float64):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape).astype(dtype) for shape in ((3, 4), (4,), ())]


def gradients(step, dtype=np.float64):
    rng = np.random.default_rng(100 + step)
    return [
        np.asarray(rng.standard_normal(s) / (1 + step), dtype=dtype) for s in ((3, 4), (4,), ())
    ]


def run(optimizer, tensors, steps, dtype=np.float64):
    for step in steps:
        for tensor, gradient in zip(tensors, gradients(step, dtype), strict=True):
            tensor.grad = gradient
        optimizer.step()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("name", "options"), BOTH, ids=str)
def test_every_step_is_torchs(name, options, dtype):
    torch = pytest.importorskip("torch")
    options = {"lr": 0.1, **options}
    mine = [nn.Parameter(a.copy()) for a in starts(dtype)]
    theirs = [torch.nn.Parameter(torch.tensor(a)) for a in starts(dtype)]
    ours = getattr(optim, name)(mine, **options)
    other = getattr(torch.optim, name)(theirs, **options, foreach=False)
    tolerance = 1e-12 if dtype == np.float64 else 2e-6
    for step in range(10):
        run(ours, mine, [step], dtype)
        for tensor, gradient in zip(theirs, gradients(step, dtype), strict=True):
            tensor.grad = torch.tensor(gradient)
        other.step()
        for one, two in zip(mine, theirs, strict=True):
            assert one.dtype == dtype
            np.testing.assert_allclose(
                one.data, two.detach().numpy(), rtol=tolerance, atol=tolerance
            )


def test_sgd_by_hand():
    p = nn.Parameter(np.array([1.0]))
    optimizer = optim.SGD([p], lr=0.5, momentum=0.5)
    for expected in (0.0, -1.5, -3.25):  # steps of 2, 3, 3.5 times 0.5
        p.grad = np.array([2.0])
        optimizer.step()
        assert p.data[0] == expected


def test_adams_first_step_is_the_learning_rate():
    p = nn.Parameter(np.zeros(2))
    optimizer = optim.Adam([p], lr=0.1, eps=0.0)
    p.grad = np.array([3.0, -1e-3])
    optimizer.step()
    np.testing.assert_allclose(p.data, [-0.1, 0.1], rtol=1e-12)


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_updates_are_in_place_and_leave_gradients_alone(name):
    array = np.ones(3, np.float32)
    p = nn.Parameter(array)
    optimizer = getattr(optim, name)([p], lr=0.1, weight_decay=0.1)
    p.grad = gradient = np.ones(3, np.float32)
    optimizer.step()
    optimizer.step()
    assert p.data is array
    assert (array < 1).all()
    np.testing.assert_array_equal(gradient, np.ones(3))
    optimizer.zero_grad()
    assert p.grad is None
    before = array.copy()
    optimizer.step()  # no gradient, no step
    np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
        ("Adam", {"amsgrad": True, "weight_decay": 0.1, "maximize": True}),
    ],
)
def test_large_parameters_are_updated_as_small_ones_are(name, options, rng):
    whole = rng.standard_normal((3, 70_001), np.float32)
    rows = [nn.Parameter(row.copy()) for row in whole]
    columns = nn.Parameter(np.asfortranarray(whole))  # not in rows: taken whole
    whole = nn.Parameter(whole)
    optimizer = getattr(optim, name)([whole, columns, *rows], lr=0.1, **options)
    for _ in range(3):
        whole.grad = columns.grad = rng.standard_normal(whole.shape, np.float32)
        for row, gradient in zip(rows, whole.grad, strict=True):
            row.grad = gradient
        optimizer.step()
    np.testing.assert_array_equal(whole.data, columns.data)
    np.testing.assert_array_equal(whole.data, [row.data for row in rows])


def test_parameter_groups():
    a, b = (nn.Parameter(np.ones(1)) for _ in range(2))
    optimizer = optim.SGD([{"params": [a], "lr": 0.5}, {"params": b}], lr=0.1)
    a.grad = b.grad = np.ones(1)
    optimizer.step()
    assert (a.data[0], b.data[0]) == (0.5, 0.9)
    optimizer.param_groups[1]["lr"] = 0.4
    optimizer.step()
    assert (a.data[0], b.data[0]) == (0.0, 0.5)
    c = nn.Parameter(np.ones(1))
    optimizer.add_param_group({"params": [c], "momentum": 0.9})
    assert optimizer.param_groups[2]["lr"] == 0.1
    assert "Parameter Group 2" in repr(optimizer)
    assert "momentum: 0.9" in repr(optimizer)


@pytest.mark.parametrize(("name", "options"), [("SGD", {"momentum": 0.9}), ("Adam", {})])
def test_state_goes_on_where_it_was(name, options):
    def fresh():
        tensors = [nn.Parameter(a.copy()) for a in starts()]
        return tensors, getattr(optim, name)(tensors, lr=0.1, **options)

    straight, first = fresh()
    run(first, straight, range(6))
    tensors, optimizer = fresh()
    run(optimizer, tensors, range(3))
    state = copy.deepcopy(optimizer.state_dict())
    again = [nn.Parameter(t.data.copy()) for t in tensors]
    resumed = getattr(optim, name)(again, lr=7.0)
    resumed.load_state_dict(state)
    run(resumed, again, range(3, 6))
    for one, two in zip(straight, again, strict=True):
        np.testing.assert_array_equal(one.data, two.data)
    run(optimizer, tensors, range(3, 6))
    for taken, held in zip(state["state"].values(), optimizer.state.values(), strict=True):
        for key, value in taken.items():
            assert np.any(value != held[key]), "a state that was taken must not move"


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_copies_of_model_and_optimiser_stay_together(clone):
    net = nn.Linear(2, 2)
    optimizer = optim.Adam(net.parameters())
    net(np.ones((1, 2), np.float32)).sum().backward()
    optimizer.step()
    twin, optimizer_twin = clone((net, optimizer))
    assert optimizer_twin.param_groups[0]["params"][0] is twin.weight
    assert optimizer_twin.state[twin.weight]["step"] == 1
    before = net.weight.data.copy()
    optimizer_twin.step()
    np.testing.assert_array_equal(net.weight.data, before)
    assert (twin.weight.data != before).any()


@pytest.mark.parametrize(("name", "options"), BOTH, ids=str)
def test_state_of_torch_can_be_loaded(name, options):
    torch = pytest.importorskip("torch")
    options = {"lr": 0.1, **options}
    theirs = [torch.nn.Parameter(torch.tensor(a)) for a in starts()]
    other = getattr(torch.optim, name)(theirs, **options)
    for step in range(4):
        for tensor, gradient in zip(theirs, gradients(step), strict=True):
            tensor.grad = torch.tensor(gradient)
        other.step()
    mine = [nn.Parameter(t.detach().numpy().copy()) for t in theirs]
    ours = getattr(optim, name)(mine, lr=9.0)
    ours.load_state_dict(other.state_dict())
    run(ours, mine, [4])
    for tensor, gradient in zip(theirs, gradients(4), strict=True):
        tensor.grad = torch.tensor(gradient)
    other.step()
    for one, two in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(one.data, two.detach().numpy(), rtol=1e-12, atol=1e-12)


def parameter():
    return nn.Parameter(np.ones(2))


BAD_NUMBERS = [math.nan, math.inf, -math.inf, -0.1]


@pytest.mark.parametrize("value", BAD_NUMBERS)
@pytest.mark.parametrize("argument", ["lr", "momentum", "dampening", "weight_decay"])
def test_sgd_checks_its_numbers(argument, value):
    with pytest.raises(ValueError, match=rf"SGD\(\): argument '{argument}': expected a finite"):
        optim.SGD([parameter()], **{argument: value})


@pytest.mark.parametrize("value", BAD_NUMBERS)
@pytest.mark.parametrize("argument", ["lr", "eps", "weight_decay"])
def test_adam_checks_its_numbers(argument, value):
    with pytest.raises(ValueError, match=rf"Adam\(\): argument '{argument}': expected a finite"):
        optim.Adam([parameter()], **{argument: value})


@pytest.mark.parametrize("value", [*BAD_NUMBERS, 1.0])
def test_adam_checks_its_betas(value):
    with pytest.raises(ValueError, match=r"argument 'betas\[1\]'.*below 1"):
        optim.Adam([parameter()], betas=(0.9, value))
    with pytest.raises(TypeError, match="argument 'betas': expected two numbers"):
        optim.Adam([parameter()], betas=0.9)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda p: optim.SGD([]), ValueError, "'params': expected at least one"),
        (lambda p: optim.SGD(p), TypeError, "'params': expected an iterable"),
        (lambda p: optim.SGD(3), TypeError, "'params': expected an iterable"),
        (lambda p: optim.SGD([p, p]), ValueError, "each parameter once"),
        (lambda p: optim.SGD([{"params": p}, {"params": p}]), ValueError, "each parameter once"),
        (lambda p: optim.SGD([np.ones(2)]), TypeError, "expected Tensors"),
        (lambda p: optim.SGD([Tensor(np.ones(2, int))]), TypeError, "Tensor of int64"),
        (lambda p: optim.SGD([p * 2]), ValueError, "expected leaves"),
        (lambda p: optim.SGD([{"lr": 1.0}]), TypeError, "a dict with 'params'"),
        (lambda p: optim.SGD([{"params": p, "rate": 1.0}]), ValueError, "'rate'"),
        (lambda p: optim.SGD([{"params": p, "lr": -1.0}]), ValueError, "'lr'"),
        (lambda p: optim.SGD([p], lr="1"), TypeError, "'lr': expected a number"),
        (lambda p: optim.SGD([p], nesterov=True), ValueError, "'nesterov'"),
        (lambda p: optim.SGD([p], 0.1, 0.9, 0.1, nesterov=True), ValueError, "'nesterov'"),
    ],
)
def test_construction_errors(make, error, message):
    with pytest.raises(error, match=message):
        make(parameter())


def test_state_that_does_not_fit_changes_nothing():
    p = parameter()
    optimizer = optim.SGD([p], lr=0.1, momentum=0.9)
    run_state = {"state": {}, "param_groups": [{"params": [0, 1], "lr": 5.0}]}
    with pytest.raises(ValueError, match=r"groups of \[1\] parameters"):
        optimizer.load_state_dict(run_state)
    for state, groups, message in (
        ({0: {"momentum_buffer": np.ones(3)}}, {"lr": 5.0}, r"momentum_buffer of shape \(2,\)"),
        ({4: {}}, {"lr": 5.0}, r"state of parameters \[0\], got 4"),
        ({}, {"lr": math.nan}, "'lr'"),
    ):
        with pytest.raises(ValueError, match=message):
            optimizer.load_state_dict({"state": state, "param_groups": [{"params": [0], **groups}]})
    assert optimizer.param_groups[0]["lr"] == 0.1
    assert optimizer.state == {}
