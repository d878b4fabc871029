"""What happens to a server beside its clients: children die and hang, voices and words change."""

import asyncio
import os
import random
import shutil
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import ClientError, ClientSession, FormData

from benchmarks.soak.served import Served
from benchmarks.soak.watching import children, is_csm

_GUESTS = ("guest_1", "guest_2", "guest_3")  # names of recorded voices
CLIP_WORDS = "The front door is open, and the light in the kitchen is on."  # of their clip
_LEXICONS = (
    "kitchen: kitchenette\n",
    "- this is\n- no lexicon\n",
    "garden: [what, is, this]\n",
    "".join(f"word{number}: other{number}\n" for number in range(500)),
    "percent: per cent\nhall: hallway\n",
)


@dataclass
class Trouble:
    """Makes trouble every few seconds while it runs. `csm_dies`: CSM's child does, else that of
    the system voice; the other one lives on."""

    served: Served
    chance: random.Random
    clip: Path
    csm_dies: bool = False
    made: Counter[str] = field(default_factory=Counter)
    died_at: list[float] = field(default_factory=list)  # in the loop's time

    async def run(self, every: float) -> None:
        """Make trouble until it is cancelled, every so many seconds on average."""
        kinds: tuple[tuple[Callable[[], Awaitable[None]], int], ...] = (
            (self._kill, 4),
            (self._hang, 1),
            (self._write_lexicon, 2),
            (self._add_by_folder, 2),
            (self._add_by_http, 2),
            (self._rename, 1),
            (self._remove, 2),
            (self._look_again, 1),
        )
        while True:
            await asyncio.sleep(self.chance.uniform(0.5, 1.5) * every)
            [kind] = self.chance.choices([k for k, _ in kinds], [weight for _, weight in kinds])
            with suppress(OSError, ClientError):  # the server is closing a door, or a child is gone
                await kind()

    async def _kill(self) -> None:
        """End a child, as a driver or the system does."""
        how = self.chance.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV))
        if (pid := self._victim()) is not None:
            os.kill(pid, how)
            self._died(f"child: {how.name}")

    async def _hang(self) -> None:
        """Stop a child that is ready: its watchdog ends it after 15 s, or it goes on before that.
        While it loads it would be given two minutes."""
        async with self._client() as client, client.get("/health") as answer:
            engines = (await answer.json())["engines"]
        phases = {engine["name"]: engine["phase"] for engine in engines}
        pid = self._victim()
        if pid is None or phases["csm" if self.csm_dies else "system"] != "ready":
            return
        os.kill(pid, signal.SIGSTOP)
        self._died("child: SIGSTOP")
        if self.chance.random() < 0.5:
            try:
                await asyncio.sleep(self.chance.uniform(1, 8))
            finally:
                os.kill(pid, signal.SIGCONT)

    async def _write_lexicon(self) -> None:
        folder = self.chance.choice((self.served.lexicon.parent, *self._guests()))
        (folder / "lexicon.yaml").write_text(self.chance.choice(_LEXICONS))
        self.made["lexicon written"] += 1

    async def _add_by_folder(self) -> None:
        """Copy a voice into the folder, the clip in two halves as a slow copy would."""
        folder = self.served.voices / self.chance.choice(_GUESTS)
        folder.mkdir(exist_ok=True)
        sound = self.clip.read_bytes()
        with (folder / "clip.wav").open("wb") as file:
            file.write(sound[: len(sound) // 2])
            file.flush()
            await asyncio.sleep(self.chance.random())
            file.write(sound[len(sound) // 2 :])
        (folder / "clip.txt").write_text(CLIP_WORDS)
        self.made["voice copied"] += 1

    async def _add_by_http(self) -> None:
        form = FormData({"text": CLIP_WORDS, "replace": "yes"})
        form.add_field("clip", self.clip.read_bytes(), filename="clip.wav")
        await self._post(f"/api/voices/{self.chance.choice(_GUESTS)}", "voice sent", data=form)

    async def _rename(self) -> None:
        old, new = self.chance.sample(_GUESTS, 2)
        await self._post(f"/api/voices/{old}/rename", "voice renamed", json={"name": new})

    async def _remove(self) -> None:
        if self.chance.random() < 0.5:
            for folder in self._guests()[:1]:
                shutil.rmtree(folder, ignore_errors=True)
            self.made["voice deleted"] += 1
            return
        async with self._client() as client:
            await client.delete(f"/api/voices/{self.chance.choice(_GUESTS)}")
        self.made["voice removed"] += 1

    async def _look_again(self) -> None:
        self.served.look_again()
        self.made["SIGHUP"] += 1

    async def _post(self, path: str, what: str, **body: object) -> None:
        async with self._client() as client, client.post(path, **body) as answer:  # type: ignore[arg-type]
            self.made[f"{what}: {answer.status}"] += 1

    def _client(self) -> ClientSession:
        return ClientSession(f"http://127.0.0.1:{self.served.http_port}")

    def _victim(self) -> int | None:
        found = children(self.served.process.pid)
        return next((pid for pid in found if is_csm(pid) == self.csm_dies), None)

    def _died(self, what: str) -> None:
        self.made[what] += 1
        self.died_at.append(asyncio.get_running_loop().time())

    def _guests(self) -> list[Path]:
        folders = [path for path in self.served.voices.iterdir() if path.is_dir()]
        self.chance.shuffle(folders)
        return folders
