import torch

from sam_infer.networks.tiny.prompt_maps import MAPS, SPOT_SHARES, draw_prompts

SIDE = 16
NO_BOX = torch.full((1, 4), torch.nan)
NO_MASK = torch.full((1, 1, SIDE, SIDE), torch.nan)
NO_POINTS = torch.zeros(1, 0, 2), torch.zeros(1, 0)


def test_nothing_said_draws_nothing() -> None:
    maps = draw_prompts(*NO_POINTS, NO_BOX, NO_MASK).maps
    assert maps.shape == (1, MAPS, SIDE, SIDE)
    assert not maps.any()


def test_box_is_drawn_by_covered_share() -> None:
    box = torch.tensor([[2.0, 3.0, 5.5, 4.25]]) / SIDE
    fill = draw_prompts(*NO_POINTS, box, NO_MASK).maps[0, 0]
    expected = torch.zeros(SIDE, SIDE)
    expected[3, 2:5], expected[3, 5] = 1.0, 0.5
    expected[4, 2:5], expected[4, 5] = 0.25, 0.125
    torch.testing.assert_close(fill, expected)


def test_clicks_are_spots_at_their_place_on_the_map_of_their_kind() -> None:
    # x = 10.5, y = 4.5 in map pixels is the centre of row 4, column 10
    points = torch.tensor([[[10.5, 4.5], [1.5, 1.5]]]) / SIDE
    maps = draw_prompts(points, torch.tensor([[1.0, 0.0]]), NO_BOX, NO_MASK).maps[0]
    for k in range(len(SPOT_SHARES)):
        positive, negative = maps[1 + k], maps[1 + len(SPOT_SHARES) + k]
        assert divmod(int(positive.argmax()), SIDE) == (4, 10)
        assert divmod(int(negative.argmax()), SIDE) == (1, 1)
        torch.testing.assert_close(positive.max(), torch.tensor(1.0))


def test_padding_points_are_not_drawn() -> None:
    maps = draw_prompts(torch.full((1, 1, 2), 0.5), -torch.ones(1, 1), NO_BOX, NO_MASK).maps
    assert not maps.any()


def test_mask_keeps_its_sign_and_is_marked_present() -> None:
    mask = torch.linspace(-9, 9, SIDE * SIDE).view(1, 1, SIDE, SIDE)
    maps = draw_prompts(*NO_POINTS, NO_BOX, mask).maps[0]
    assert torch.equal(maps[5] > 0, mask[0, 0] > 0)
    assert maps[5].abs().max() <= 1
    assert (maps[6] == 1).all()
