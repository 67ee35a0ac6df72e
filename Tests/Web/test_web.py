"""Tests the page in a browser: generate, follow a run, see what one would choose, stop, fill masks, promote, upload a file, lose the service.

test_web.py BUILD_DIRECTORY SCREENSHOT_DIRECTORY
"""

import io
import json
import os
import sys
import tarfile
import time
import urllib.request

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
    page.until("#first .now", "Missing: a text")
    assert "kantaibert fills masks: waiting for text" in page.text("#first"), page.text("#first")


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
    page.until("#first .done", "One text is stored")


def showing_a_text(page):
    page.open("corpora")
    page.click("#corpora [data-do=show]")
    page.until("#corpora .preview", "every wise")
    assert "as it was stored" in page.text("#corpora .preview"), page.text("#corpora .preview")
    page.click("#corpora [data-do=show]")
    wait("the text is hidden", lambda: not page.all("#corpora .preview"))


def removing_a_text(page):
    page.open("corpora")
    wait("the text is listed", lambda: page.all("#corpora [data-do=remove]"))
    # Scripts cannot go on while the browser asks.
    page.find("#corpora [data-do=remove]").click()
    page.driver.switch_to.alert.accept()
    page.until("#corpora", "drop the same file once more")
    wait("the text can be removed only once", lambda: not page.all("#corpora [data-do=remove]"))


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
    assert "loss, nats per token" in drawn(page) and "optimizer step" in drawn(page)
    wait("samples of text are shown", lambda: len(page.all("#samples li")) > 1)
    begun = page.script("return [...document.querySelectorAll('#samples .begun')].map((part) => part.textContent)")
    assert len(set(begun)) == 1 and begun[0], begun
    page.until("#events", "assistant 1 serves")
    assert "kantaibert-1" in page.text("#runs") and "assistant-1" in page.text("#runs")


def drawn(page):
    """Returns the texts of the chart."""
    return page.script("return document.querySelector('.plot').textContent")


def choose(page, selector, value):
    page.script("const select = document.querySelector(arguments[0]); select.value = arguments[1];"
                "select.dispatchEvent(new Event('input')); select.dispatchEvent(new Event('change'))", selector, value)


def comparing_runs(page):
    page.open("training")
    wait("the runs are listed", lambda: page.all("#runs input[data-run=kantaibert-1]"))
    choose(page, "#run-select", "assistant-1")
    page.click("#runs input[data-run=kantaibert-1]")
    wait("the run is drawn", lambda: page.all(".line.other-0"))
    page.until("#chart-legend", "kantaibert-1")
    for quantity, title in [("learning_rate", "learning rate"), ("gradient_norm", "gradient norm"), ("bits", "bits per byte")]:
        choose(page, "#chart-quantity", quantity)
        wait(f"the axis is called {title}", lambda: title in drawn(page))
    choose(page, "#chart-quantity", "loss")
    page.click("#settings summary")
    page.until("#settings-table", "objective")
    assert "recipe.seed" not in page.text("#settings-table"), "a setting that does not differ is shown"
    page.click("#settings-all")
    page.until("#settings-table", "recipe.seed")
    page.until("#settings-table", NASTY)
    # The page makes the file itself: keep what it saves.
    page.script("window.made = []; const create = URL.createObjectURL;"
                "URL.createObjectURL = (blob) => { blob.text().then((text) => made.push(text)); return create(blob); }")
    page.click("#chart-csv")
    header, first, *rest = wait("the file is made", lambda: page.script("return made[0]")).splitlines()
    assert header.startswith("step,epoch,loss,learning_rate,gradient_norm") and first.startswith("1,"), (header, first)
    assert len({line.count(",") for line in [header, first, *rest]}) == 1
    page.click("#runs input[data-run=kantaibert-1]")
    wait("the run is not drawn any more", lambda: not page.all(".line.other-0"))
    choose(page, "#run-select", "")


def saving_a_model(page):
    page.open("models")
    page.click("#models [data-do=describe]")
    page.until("#models", "Trained on")
    page.script("window.made = []; const create = URL.createObjectURL;"
                "URL.createObjectURL = (blob) => { made.push(blob.size); return create(blob); }")
    page.click("#models [data-do=save][data-model=assistant]")
    size = wait("the model is saved", lambda: page.script("return made[0]"))
    request = urllib.request.Request(
        page.servers.base + "/api/export?model=assistant", headers={"authorization": f"Bearer {page.servers.token}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        archive = answer.read()
    assert len(archive) == size == int(answer.headers["content-length"]), (len(archive), size)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        names = {name.rpartition("/")[2] for name in tar.getnames()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= names, names


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


def seeing_surprise(page):
    page.open("surprise")
    text = "every wise judge <b>zxqj</b> sees the river"
    page.write("#surprise-text", text)
    page.click("#surprise-button")
    wait("the tokens are colored", lambda: page.all(".surprise .token"))
    assert page.script("return document.querySelector('.surprise').textContent") == text
    assert page.script("return [...document.querySelectorAll('.surprise .token')].every((t) => / bits$/.test(t.title))")
    assert page.all(".surprise .level-3") and page.all(".scale .level-3")
    bits = page.script("return [...document.querySelectorAll('.unexpected td.num')].map((cell) => parseFloat(cell.innerText))")
    assert bits and bits == sorted(bits, reverse=True), bits
    page.until("#surprise-result .receipt", "bits per byte")


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
    forth = "button[data-do=promote][data-model=assistant][data-generation='2']"
    back = "button[data-do=promote][data-model=assistant][data-generation='1']"
    # A candidate can be promoted too, but the evaluation may finish before the click.
    wait("generation 2 is evaluated", lambda: page.all(back) or "rejected" in page.text("#models"), 120)
    if page.all(back):
        page.click(back)
        wait("generation 1 serves again", lambda: page.all(forth))
    page.click(forth)
    wait("generation 2 serves", lambda: page.all(back))
    first = "button[data-do=remove][data-model=assistant][data-generation='1']"
    wait("generation 1 can be deleted", lambda: page.all(first))
    # Scripts cannot go on while the browser asks.
    page.find(first).click()
    page.driver.switch_to.alert.accept()
    wait("generation 1 is deleted", lambda: not page.all(first))


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
        for step in [without_a_model, uploading_files, following_a_run, showing_a_text, comparing_runs,
                     saving_a_model, planning_a_run, generating_and_stopping,
                     filling_masks, seeing_surprise, promoting_a_generation, losing_the_service,
                     removing_a_text]:
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
