"""Adam against torch's."""

import numpy as np
import torch

from photoreal.splat.optimise import parameter


def test_adam_equals_torch():
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(50, 4, generator=generator)
    reference = start.clone().requires_grad_()
    optimiser = torch.optim.Adam([reference], lr=0.02, betas=(0.9, 0.999), eps=1e-15)
    ours = parameter(start)
    for _ in range(20):
        weight = torch.randn(50, 4, generator=generator)
        for leaf in (reference, ours.value):
            ((leaf - 1).square() * weight.square()).sum().backward()
        optimiser.step()
        optimiser.zero_grad()
        ours.update(np.full(1, 0.02, np.float32))
    torch.testing.assert_close(ours.value.detach(), reference.detach(), rtol=1e-4, atol=1e-5)


def test_rates_repeat_along_a_row():
    ours = parameter(torch.zeros(5, 3))
    ours.value.sum().backward()
    ours.update(np.array([0.1, 0.0, 0.3], np.float32))
    expected = torch.tensor([-0.1, 0.0, -0.3]).expand(5, 3)
    torch.testing.assert_close(ours.value.detach(), expected, rtol=1e-5, atol=1e-6)
