"""Images that a site uploads: what is kept of a file, who may, where it is served, and its logo."""

from __future__ import annotations

import asyncio
import io
import os
import re
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from collector.errors import Invalid, TooManyTries
from collector.surveys import images
from collector.surveys.images import HEAVIEST, LONGEST_SIDE, MOST_BYTES, MOST_IMAGES, MOST_WAITING, encode, encoded
from tests.conftest import ORIGIN, App, add_site
from tests.pages import plain
from tests.pictures import PIXEL, picture
from tests.signed_in import acts, another_browser, person, post
from tests.stores import in_a_loop

HEADERS = {**ORIGIN, "Accept": "application/json"}


def send(app: App, data: bytes, path: str = "images", client: Any = None, **headers: str) -> Any:
    files = {"image": ("../../logo.png", data, "text/html")}
    address = f"/admin/{app.site.key}/{path}"
    return (client or app.client).post(address, files=files, headers={**ORIGIN, **headers})


def uploaded(app: App, data: bytes) -> str:
    """Where it is served beneath the collector."""
    reply = send(app, data, Accept="application/json")
    assert reply.status_code == 201, reply.text
    return re.sub(r"^https?://[^/]+", "", str(reply.json()["address"]))


# ---- what is kept of a file


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_each_kind_of_picture_is_made_small_and_kept(kind: str) -> None:
    made = encode(picture(3000, 1500, kind))
    assert (made.width, made.height) == (LONGEST_SIDE, LONGEST_SIDE // 2)
    with Image.open(io.BytesIO(made.data)) as kept:
        assert (kept.format, kept.size) == ("JPEG" if kind == "JPEG" else "PNG", (made.width, made.height))
        red, green, blue = kept.convert("RGB").getpixel((5, 5))  # type: ignore[misc]
        assert max(abs(red - 0), abs(green - 128), abs(blue - 128)) < 6


def test_small_picture_keeps_its_size_and_transparency_stays() -> None:
    made = encode(picture(40, 20, mode="RGBA", color=(255, 0, 0, 128)))
    with Image.open(io.BytesIO(made.data)) as kept:
        assert (kept.size, kept.getpixel((0, 0))) == ((40, 20), (255, 0, 0, 128))


def test_what_a_camera_wrote_is_left_out_and_the_picture_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "SECRET-CAMERA"  # to be turned by a quarter
    exif.get_ifd(0x8825)[1] = "N"
    file = picture(60, 30, "JPEG", exif=exif)
    assert b"SECRET-CAMERA" in file
    made = encode(file)
    assert b"SECRET-CAMERA" not in made.data
    assert b"Exif" not in made.data
    assert (made.width, made.height) == (30, 60)


def test_large_picture_without_transparency_is_kept_as_a_photograph() -> None:
    noise = Image.frombytes("RGB", (700, 700), os.urandom(700 * 700 * 3))
    file = io.BytesIO()
    noise.save(file, "PNG")
    made = encode(file.getvalue()[: MOST_BYTES + 1])
    assert made.name.endswith(".jpg")
    assert len(made.data) < len(file.getvalue()) / 2


def test_same_picture_has_the_same_name_and_another_has_another() -> None:
    assert encode(PIXEL).name == encode(picture(1, 1, "GIF")).name != encode(picture(2, 1)).name


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "choose a file"),
        (b"\0" * (MOST_BYTES + 1), "at most 2 MB"),
        (b"hello", "PNG, JPEG, WebP or GIF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "PNG, JPEG, WebP or GIF"),
        (picture(4, 4, "BMP"), "PNG, JPEG, WebP or GIF"),
        (picture(4, 4, "TIFF"), "PNG, JPEG, WebP or GIF"),
        (picture(400, 400, "PNG")[:200], "damaged"),
        (picture(400, 400, "JPEG")[:300], "damaged"),
        (picture(60, 60, "GIF")[:30], "must be a"),
        (picture(2501, 2000, "PNG", "1", 0), "5 million pixels"),
        (picture(2501, 2000, "WEBP", "RGBA", 0), "5 million pixels"),
        (picture(6001, 4000, "JPEG"), "24 million pixels"),
    ],
)
def test_file_that_is_no_picture_is_told(data: bytes, said: str) -> None:
    with pytest.raises(Invalid) as told:
        encode(data)
    (fault,) = told.value.faults
    assert (fault.at, said in fault.detail) == ("/image", True), fault


def test_pictures_broken_at_every_place_are_told_and_nothing_else_happens() -> None:
    for kind in ("PNG", "JPEG", "WEBP", "GIF"):
        whole = picture(16, 16, kind)
        for place in range(0, len(whole), max(1, len(whole) // 60)):
            for changed in (whole[:place], whole[:place] + b"\xff\0\xff\xff" + whole[place + 4 :]):
                try:
                    encode(changed)
                except Invalid as told:
                    assert told.faults


def noise(width: int, height: int, mode: str = "RGBA") -> bytes:
    """What no kind of file can make small."""
    file = io.BytesIO()
    Image.frombytes(mode, (width, height), os.urandom(width * height * len(mode))).save(file, "WEBP", quality=40)
    return file.getvalue()


@pytest.mark.parametrize("mode", ["RGBA", "RGB"])
def test_whatever_is_uploaded_what_is_kept_is_light(mode: str) -> None:
    made = encode(noise(1100, 1100, mode))
    assert 100_000 < len(made.data) <= HEAVIEST
    with Image.open(io.BytesIO(made.data)) as kept:
        assert kept.size == (made.width, made.height)
        assert kept.has_transparency_data == (mode == "RGBA")


def bomb() -> bytes:
    """A PNG of a few kilobytes that says it has 4.9 million pixels, all of them there."""
    side = 2220
    head = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\0" * side * 4) * side, 9)
    parts = (b"IHDR", head), (b"IDAT", rows), (b"IEND", b"")
    crc = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(crc)


MEASURE = """
import resource, sys
from collector.surveys.images import encode
encode(open(sys.argv[2], "rb").read())
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
encode(open(sys.argv[1], "rb").read())
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_memory_of_the_largest_picture_has_a_bound(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bomb())
    (tmp_path / "small").write_bytes(PIXEL)
    command = [sys.executable, "-c", MEASURE, str(tmp_path / "large"), str(tmp_path / "small")]
    used = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
    assert int(used) < 60, f"{used} MB"


async def _many() -> tuple[list[object], float]:
    """What becomes of twenty large ones at once, and how long another thread of the default ones was waited for."""
    tasks = [asyncio.create_task(encoded(LARGE)) for _ in range(20)]
    await asyncio.sleep(0)
    began = time.monotonic()
    await asyncio.to_thread(lambda: None)
    waited = time.monotonic() - began
    return await asyncio.gather(*tasks, return_exceptions=True), waited


LARGE = picture(2200, 2200, "WEBP", "RGBA", (0, 0, 0, 0))


def test_many_uploads_at_once_hold_up_nothing_else_and_are_told_to_wait() -> None:
    done, waited = in_a_loop(_many)
    refused = [one for one in done if isinstance(one, TooManyTries)]
    assert (len(done) - len(refused), len(refused)) == (MOST_WAITING, 20 - MOST_WAITING)
    assert waited < 0.1
    assert encode(PIXEL).width == 1


# ---- on the site


def test_image_is_uploaded_and_served_for_ever_to_any_page(owner: App) -> None:
    address = uploaded(owner, picture(30, 20))
    assert re.fullmatch(rf"/i/{owner.site.key}-[a-z2-7]{{26}}\.png", address)
    stranger = another_browser(owner).get(address)
    assert stranger.status_code == 200
    assert {name: stranger.headers[name] for name in ("content-type", "cache-control", "x-content-type-options")} == {
        "content-type": "image/png",
        "cache-control": "public, max-age=31536000, immutable",
        "x-content-type-options": "nosniff",
    }
    assert stranger.headers["cross-origin-resource-policy"] == "cross-origin"
    with Image.open(io.BytesIO(stranger.content)) as shown:
        assert shown.size == (30, 20)
    foreign = add_site(owner.client, "", owner.site.token)
    for path in (address.replace(owner.site.key, foreign.key), address[:-4] + ".svg", address[:-5] + "x.png"):
        assert owner.client.get(path).status_code == 404, path


def test_same_image_again_is_kept_once(owner: App) -> None:
    assert uploaded(owner, PIXEL) == uploaded(owner, PIXEL)
    assert "1 of 100" in plain(owner.client.get(f"/admin/{owner.site.key}/images").text)
    assert [act for _, act in acts(owner) if act.startswith("image.")] == ["image.added"]


@pytest.mark.parametrize(
    ("data", "status", "said"),
    [
        (b"", 422, "Choose a file."),
        (b"hello", 422, "Must be a PNG, JPEG, WebP or GIF file."),
        (b"\0" * (MOST_BYTES + 100_000), 422, "Must be at most 2 MB."),
    ],
)
@pytest.mark.parametrize("path", ["images", "settings/logo"])
def test_file_that_will_not_do_is_told_beside_its_field(
    owner: App, path: str, data: bytes, status: int, said: str
) -> None:
    reply = send(owner, data, path)
    (told,) = re.findall(r'id="image-wrong"[^>]*>.*?<span>(.*?)</span>', reply.text, re.DOTALL)
    assert (reply.status_code, told) == (status, said)


def test_form_that_is_none_or_comes_from_elsewhere_is_refused(owner: App) -> None:
    address = f"/admin/{owner.site.key}/images"
    files = {"image": ("x.png", PIXEL)}
    assert owner.client.post(address, files=files, headers={"Origin": "https://evil.example"}).status_code == 403
    wrong = {**ORIGIN, "Content-Type": "multipart/form-data; boundary=x"}
    for body in (b"", b"--x", b"--x\r\nnonsense"):
        assert owner.client.post(address, content=body, headers=wrong).status_code in (400, 422), body
    assert owner.client.post(address, content=b"image=1", headers=ORIGIN).status_code in (400, 422)
    many = [("image", (f"{number}.png", PIXEL)) for number in range(3)]
    assert owner.client.post(address, files=many, headers=ORIGIN).status_code == 400
    viewer = person(owner, "viewer@example.com", "viewer")
    assert send(owner, PIXEL, client=viewer).status_code == 403
    editor = person(owner, "editor@example.com", "editor")
    assert send(owner, PIXEL, client=editor).status_code == 303
    assert send(owner, PIXEL, "settings/logo", client=editor).status_code == 403


def test_one_image_too_many_is_told(owner: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MOST_IMAGES", 2)
    for width in (1, 2):
        uploaded(owner, picture(width, 1))
    uploaded(owner, PIXEL)
    reply = send(owner, picture(3, 1), Accept="application/json")
    assert (reply.status_code, "at most 2 images" in reply.json()["detail"]) == (409, True)
    assert MOST_IMAGES == 100


def test_image_that_may_be_seen_again_stays_until_it_may_not(owner: App) -> None:
    address, page = uploaded(owner, PIXEL), f"/admin/{owner.site.key}/images"
    image = {"positive": {"image": f"http://127.0.0.1:8000{address}"}}
    removal = f"{page}/{address.rpartition('-')[2]}/remove"
    draft = {"name": "After checkout", "metric": "csat", "question": "Well?", "thank_you": image}
    made = owner.site.call("POST", "/surveys", draft).json()
    assert "used by “After checkout”" in plain(owner.client.get(page).text)
    assert post(owner, removal).status_code == 409
    owner.site.call("PUT", f"/surveys/{made['id']}", {**draft, "thank_you": {}})
    assert "not used" in plain(owner.client.get(page).text)
    owner.site.publish(name="Live", thank_you=image)
    old = owner.site.publish(name="Old", thank_you=image)
    for _ in range(2):
        owner.site.call("PUT", f"/surveys/{old['id']}", {**old["document"], "thank_you": {}})
        owner.site.call("POST", f"/surveys/{old['id']}/publish")
    assert "used by “Live”, “Old”" in plain(owner.client.get(page).text), "one may go back to an earlier revision"
    assert post(owner, removal).status_code == 409
    other = uploaded(owner, picture(3, 3))
    assert post(owner, f"{page}/{other.rpartition('-')[2]}/remove").headers["location"] == page
    assert owner.client.get(other).status_code == 404
    assert post(owner, f"{page}/{other.rpartition('-')[2]}/remove").status_code == 404


NO_NAMES = ("%00.png", "%C3%A9.png", f"{'a' * 26}.gif", "a.png", f"{'a' * 26}.png%00", "x" * 3000)


@pytest.mark.parametrize("name", NO_NAMES)
def test_name_that_is_none_is_not_found_on_either_store(owner: App, name: str) -> None:
    assert owner.client.get(f"/i/{owner.site.key}-{name}").status_code == 404


def test_browser_that_has_an_image_is_sent_no_second(owner: App) -> None:
    address = uploaded(owner, PIXEL)
    mark = owner.client.get(address).headers["etag"]
    again = owner.client.get(address, headers={"If-None-Match": mark})
    assert (again.status_code, again.content) == (304, b"")


def test_logo_is_uploaded_shown_and_removed(owner: App) -> None:
    page = f"/admin/{owner.site.key}/settings"
    survey = owner.site.publish()
    assert send(owner, picture(64, 64), "settings/logo").headers["location"] == f"{page}?saved"
    (logo,) = re.findall(r'src="(/i/[^"]+)" alt="Logo"', owner.client.get(page).text)
    assert owner.client.get(logo).status_code == 200
    assert logo in owner.client.get(f"/w/{owner.site.key}.js").text
    assert "used by the logo" in plain(owner.client.get(f"/admin/{owner.site.key}/images").text)
    assert owner.site.call("GET", f"/sites/{owner.site.key}").json()["brand"]["logo"] == logo
    assert post(owner, page, time_zone="Europe/Amsterdam", color="#112233", kept_parameters="").status_code == 303
    assert logo in owner.client.get(page).text, "saving the rest keeps it"
    assert post(owner, f"{page}/logo/remove").status_code == 303
    assert logo not in owner.client.get(f"/w/{owner.site.key}.js").text
    assert survey["id"]
