"""Tests the page in a browser: generate, follow a run, see what one would choose, stop, fill masks, promote, upload a file, lose the service.

test_web.py BUILD_DIRECTORY SCREENSHOT_DIRECTORY
"""

import json
import os
import sys
import time

import programs
from page import Page
from servers import Servers, grammar, wait

NASTY = "<img src=x onerror=document.title='interpreted'>.txt"


def without_a_model(page):
    page.open(f"token={page.servers.token}")
    wait("the token is removed from the URL", lambda: "token" not in page.driver.current_url)
    wait("the page shows the service's state", lambda: page.script("return document.getElementById('service').dataset.state") == "up")
    page.until("#chat-waiting", "cannot answer yet: waiting for text")
    assert not page.find("#generate").is_enabled()


def uploading_files(page):
    path = f"{page.servers.folder}/{NASTY}"
    with open(path, "w") as file:
        file.write(grammar(6000, seed=1))
    page.open("corpora")
    page.drop(path)
    page.until("#uploads", "added to the inbox")
    page.until("#corpora", "admitted")
    assert NASTY in page.text("#corpora"), page.text("#corpora")
    rubbish = f"{page.servers.folder}/picture.png"
    with open(rubbish, "wb") as file:
        file.write(bytes(range(256)) * 8)
    page.drop(rubbish)
    page.until("#corpora", "rejected")
    assert "is a picture" in page.text("#corpora"), page.text("#corpora")
    large = f"{page.servers.folder}/large.txt"
    with open(large, "w") as file:
        file.truncate(9 << 20)
    page.drop(large)
    page.until("#uploads", "9.4 MB, the limit is 8.4 MB")


def following_a_run(page):
    page.open("training")
    page.until("#run-card", "kantaibert-1")
    page.until("#run-card h2", "assistant-1", 120)
    points = "return (document.querySelector('.line.train')?.getAttribute('d') ?? '').split('L').length"
    wait("the curve of assistant-1 is drawn", lambda: "assistant-1" in page.text("#chart-readout"))
    seen = [page.script(points)]
    while len(seen) < 5:
        seen.append(wait("the curve is longer", lambda: (now := page.script(points)) > seen[-1] and now))
    wait("the progress bar and the title show the progress", lambda: page.script(
        "const share = document.querySelector('#run-card progress')?.value;"
        "return share > 0 && document.title.startsWith(`${Math.floor(share * 100)} % · Training`)"))
    # The keyboard works like the pointer.
    page.script("document.querySelector('.plot').focus()")
    page.driver.switch_to.active_element.send_keys("\ue012")
    wait("the values are shown", lambda: "tokens/s" in page.text("#chart .tip"))
    value = page.script("return document.querySelector('.plot').getAttribute('aria-valuetext')")
    assert value.startswith("step ") and "loss" in value, value
    wait("the held-out loss is drawn", lambda: page.all("circle.held"))
    page.until("#events", "assistant 1 serves")
    assert "kantaibert-1" in page.text("#runs") and "assistant-1" in page.text("#runs")


def planning_a_run(page):
    page.open("training")
    wait("the models are listed", lambda: page.script("return document.querySelectorAll('#train-model option').length") == 3)
    page.click("#plan summary")
    page.until("#plans", "These are estimates")
    rows = "return document.querySelectorAll('#plans tbody th[scope=row]').length"
    wait("four plans of each model are shown", lambda: page.script(rows) == 8)
    assert len(page.all("#plans th .badge")) == 2, page.text("#plans")
    page.script("const select = document.getElementById('train-model');"
                "select.value = 'assistant'; select.dispatchEvent(new Event('change'))")
    wait("four plans of the selected model are shown", lambda: page.script(rows) == 4)
    assert "assistant" in page.text("#plans h2"), page.text("#plans")
    problems = []
    for width in [1280, 800, 390]:
        page.resize(width, 860)
        for theme in ["light", "dark"]:
            page.script("document.documentElement.dataset.theme = arguments[0]", theme)
            problems += page.inspect(f"plans-{theme}-{width}", width)
    page.command("Emulation.clearDeviceMetricsOverride", {})
    assert not problems, "\n".join(problems)


def generating_and_stopping(page):
    page.open("chat")
    page.write("#chat-prompt", "the <b>old</b> fox")
    # Slow enough that there is something to stop.
    page.throttle(1500)
    made = "const made = document.querySelector('.answer:last-child .made'); return made ? made.textContent : ''"
    # A text may end immediately: then generate another.
    for _ in range(10):
        page.click("#generate")
        first = wait("the text begins", lambda: page.script(made))
        wait("the text grows or has ended", lambda: len(page.script(made)) > len(first) + 30
             or page.text(".answer:last-child .receipt"))
        assert page.script(made).startswith(first)
        if not page.text(".answer:last-child .receipt"):
            break
    page.click("#stop")
    page.until(".answer:last-child .receipt", "stopped by you")
    page.throttle(-1)
    assert not page.all(".answer b"), "the prompt was taken for markup"

    page.click("#sampling-button")
    page.write("#sampling-seed", "11")
    page.write("#sampling-max_tokens", "30")
    page.click("#generate")
    page.until(".answer:last-child .receipt", "seed 11")
    text = page.script(made)
    page.click(".answer:last-child .buttons button")
    page.until(".answer:last-child .receipt", "the same text")
    count = len(page.all(".answer"))
    page.driver.refresh()
    wait("the answers are restored", lambda: len(page.all(".answer")) == count)
    assert page.script(made) == text
    assert page.find("#chat-prompt").get_attribute("value") == "the <b>old</b> fox"
    assert page.find("#sampling-seed").get_attribute("value") == "11"


def filling_masks(page):
    page.open("fill")
    page.write("#fill-text", "every wise <mask> sees the <mask> at night.")
    page.click("#fill-form .primary")
    wait("two masks are filled", lambda: len(page.all(".mask")) == 2)
    assert page.script("return [...document.querySelectorAll('.mask')].every((mask) => mask.querySelectorAll('.candidate')"
                       ".length === 8)")
    shares = page.script("return [...document.querySelectorAll('.mask:first-child .share')].map((s) => parseFloat(s.innerText))")
    assert shares == sorted(shares, reverse=True), shares
    # Whatever the model predicts: a token may start with a space, or be only a line break.
    tokens = page.script("return JSON.parse(localStorage.getItem('kantaibert.fill.result')).masks[0].map((c) => c.token_str)")
    words, enabled = page.script("const buttons = [...document.querySelectorAll('.mask:first-child .candidate')];"
                                 "return [buttons.map((b) => b.querySelector('.word').textContent), buttons.map((b) => !b.disabled)]")
    for token, word in zip(tokens, words, strict=True):
        assert word and (word in token if token.strip() else word == json.dumps(token, ensure_ascii=False)), (token, word)
    # Not the best candidate, nor one that reads the same: the page must insert the one that was clicked.
    chosen = next(index for index, token in enumerate(tokens) if enabled[index] and token.strip() != tokens[0].strip())
    page.click(f".mask:first-child li:nth-child({chosen + 1}) .candidate")
    filled = f"every wise {tokens[chosen].removeprefix(' ')} sees the <mask> at night."
    wait(f"the sentence is {filled!r}", lambda: page.find("#fill-text").get_attribute("value") == filled)
    wait("one mask is left", lambda: len(page.all(".mask")) == 1)
    page.click("#fill-undo")
    wait("the replacement is undone", lambda: len(page.all(".mask")) == 2)
    page.write("#fill-text", "no gap")
    page.click("#fill-form .primary")
    page.until("#fill-problem", "no <mask>")
    page.write("#fill-text", "every wise judge sees the <mask> at night.")
    page.driver.switch_to.active_element.send_keys("\ue007")
    wait("the mask is filled", lambda: len(page.all(".mask")) == 1)


def promoting_a_generation(page):
    # A wrong token makes the page ask for it.
    page.script("localStorage.setItem('kantaibert.token', '\"wrong\"')")
    page.open("training")
    wait("the models are listed", lambda: page.script("return document.querySelectorAll('#train-model option').length") == 3)
    page.script("document.getElementById('train-model').value = 'assistant'")
    page.click("#train-force")
    page.click("#train")
    wait("the page asks for the token", lambda: page.script("return document.getElementById('token-dialog').open"))
    page.write("#token-input", "still wrong")
    page.click("#token-form .primary")
    page.until("#token-problem", "The token is wrong")
    page.write("#token-input", page.servers.token)
    page.click("#token-form .primary")
    page.until("#run-card h2", "assistant-2")
    wait("the earlier run is drawn", lambda: page.all(".line.earlier"))
    page.open("models")
    back = "button[data-model=assistant][data-generation='1']"
    # A candidate can be promoted too, but the evaluation may finish before the click.
    wait("generation 2 is evaluated", lambda: page.all(back) or "rejected" in page.text("#models"), 120)
    if page.all(back):
        page.click(back)
        wait("generation 1 serves again", lambda: page.all("button[data-model=assistant][data-generation='2']"))
    page.click("button[data-model=assistant][data-generation='2']")
    wait("generation 2 serves", lambda: page.all(back))


def losing_the_service(page):
    page.open("chat")
    page.servers.stop_service()
    page.until("#away", "The service is not available")
    wait("Generate is disabled", lambda: not page.find("#generate").is_enabled())
    page.servers.start_service()
    wait("the service is available again", lambda: not page.text("#away"))
    count = len(page.all(".answer"))
    page.click("#generate")
    wait("the model answers again", lambda: len(page.all(".answer")) > count and "seed" in page.text(".answer:last-child .receipt"))


def main(build, shots):
    os.makedirs(shots, exist_ok=True)
    servers = Servers(build)
    page = None
    try:
        servers.start_service()
        servers.start_web()
        page = Page(servers, shots)
        for step in [without_a_model, uploading_files, following_a_run, planning_a_run, generating_and_stopping,
                     filling_masks, promoting_a_generation, losing_the_service]:
            began = time.monotonic()
            step(page)
            print(f"{step.__name__.replace('_', ' ')}: {time.monotonic() - began:.1f} s", flush=True)
        assert page.driver.title != "interpreted"
        programs.check(servers)
        print("openai and prometheus-client parse every response", flush=True)
        problems = page.shoot()
        elsewhere = [address for address in page.addresses()
                     if not address.startswith((servers.base, "data:", "chrome:", "about:"))]
        problems += [f"requested from another server: {address}" for address in elsewhere] + page.complaints()
        assert not problems, "\n".join(problems)
        print(f"axe-core checked every page in both themes at 1280 and 360 pixels; screenshots: {shots}")
    except BaseException:
        if page:
            page.driver.save_screenshot(f"{shots}/failed.png")
        for program in ("kantaibertd", "kantaibert-web"):
            print(f"the end of {program}'s log:", *servers.log(program).splitlines()[-15:], sep="\n  ", file=sys.stderr)
        raise
    finally:
        if page:
            page.driver.quit()
        servers.end()


if __name__ == "__main__":
    main(*sys.argv[1:])
