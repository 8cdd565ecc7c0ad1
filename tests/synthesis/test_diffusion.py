"""The process against hand-worked numbers and against networks that know the answer."""

from types import SimpleNamespace

import pytest
import torch

from medweave.config import Synthesis
from medweave.synthesis.diffusion import diffusion_loss, draw, guided, loss_weights, noise_shares, schedule_of

X0 = torch.tensor([[[[0.5, -0.25], [0.75, -1.0]]]])


def knows(image, shares, prediction):
    """A network that says exactly what was added to this one image."""

    def say(planes, times):
        noisy, share = planes[:, :1], shares[times][:, None, None, None].to(planes.dtype)
        noise = (noisy - share.sqrt() * image) / (1 - share).sqrt()
        v = share.sqrt() * noise - (1 - share).sqrt() * image
        return SimpleNamespace(sample=noise if prediction == "epsilon" else v)

    return say


def test_linear_noise_is_that_of_ho_et_al():
    shares = noise_shares(schedule_of(Synthesis(noise="linear")))
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    torch.testing.assert_close(shares.double(), torch.cumprod(1 - betas, 0), rtol=1e-4, atol=1e-7)


def test_cosine_noise_is_that_of_nichol_and_dhariwal():
    shares = noise_shares(schedule_of(Synthesis(noise="cosine")))
    times = torch.arange(0, 1000, dtype=torch.float64)

    def curve(t):
        return torch.cos((t / 1000 + 0.008) / 1.008 * torch.pi / 2) ** 2

    expected = curve(times + 1) / curve(torch.zeros(1, dtype=torch.float64))
    torch.testing.assert_close(shares[:990].double(), expected[:990], rtol=1e-3, atol=1e-6)


def test_min_snr_weights():
    shares = torch.tensor([0.5, 10 / 11])  # signal-to-noise ratios 1 and 10
    torch.testing.assert_close(loss_weights(shares, "epsilon", 5.0), torch.tensor([1.0, 0.5]))
    torch.testing.assert_close(loss_weights(shares, "v_prediction", 5.0), torch.tensor([0.5, 5 / 11]))
    assert loss_weights(shares, "v_prediction", 0.0).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_the_loss_is_zero_for_a_network_that_knows_and_the_weighted_square_for_one_that_says_nothing(prediction):
    shares = noise_shares(schedule_of(Synthesis(prediction=prediction)))
    noise, times, none = torch.randn(1, 1, 2, 2), torch.tensor([300]), torch.zeros(1, 0, 2, 2)
    exact = diffusion_loss(knows(X0, shares, prediction), X0, none, noise, times, shares, prediction, 5.0)
    assert float(exact) == pytest.approx(0.0, abs=1e-8)

    def silent(planes, times):
        return SimpleNamespace(sample=torch.zeros_like(X0))

    share = float(shares[300])
    target = noise if prediction == "epsilon" else share**0.5 * noise - (1 - share) ** 0.5 * X0
    snr = share / (1 - share)
    weight = min(snr, 5) / (snr if prediction == "epsilon" else snr + 1)
    said = diffusion_loss(silent, X0, none, noise, times, shares, prediction, 5.0)
    assert float(said) == pytest.approx(weight * float(target.square().mean()), rel=1e-4)


def test_guidance_goes_beyond_what_the_condition_says():
    def network(planes, times):
        return SimpleNamespace(sample=planes[:, :1] + 2 * planes[:, 1:2])

    noisy, condition = torch.ones(2, 1, 1, 1), torch.tensor([1.0, 3.0]).reshape(2, 1, 1, 1)
    assert guided(network, condition, 1.0)(noisy, torch.tensor(5)).flatten().tolist() == [3.0, 7.0]
    assert guided(network, condition, 2.5)(noisy, torch.tensor(5)).flatten().tolist() == [6.0, 16.0]


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("noise", ["cosine", "linear"])
@pytest.mark.parametrize(("sampler", "steps"), [("dpm_solver", 20), ("ddim", 20), ("ddpm", 1000)])
def test_all_samplers_find_the_one_image_that_there_is(sampler, steps, noise, prediction):
    settings = Synthesis(sampler=sampler, sampling_steps=steps, prediction=prediction, noise=noise)
    schedule = schedule_of(settings)
    say = guided(knows(X0, noise_shares(schedule), prediction), torch.zeros(2, 0, 2, 2), 1.0)
    generators = [torch.Generator().manual_seed(k) for k in range(2)]
    start = torch.cat([torch.randn(1, 1, 2, 2, generator=generator) for generator in generators])
    found = draw(say, start, generators, schedule, settings, bounded=True)
    torch.testing.assert_close(found, X0.expand(2, -1, -1, -1), atol=0.02, rtol=0.0)
