"""Chinese that reads the same to a person: by sound, by shape, in the other script."""

import random
from collections.abc import Mapping
from functools import cache
from typing import Any

from mason.errors import SettingsError
from mason.security.moves import Move
from mason.security.words import Words

_SHAPES = (
    "己已巳 未末 土士 日曰 人入八 大太犬 千干于 天夭 王玉主 今令 午牛 贝见 鸟乌 免兔 戊戌戍 "
    "治冶 准淮 拔拨 晴睛 暖缓 辨辩辫 密蜜 徒徙 历厉 侯候 折拆 析柝 坏坯 幻幼 住往 治始 "
    "怎恁 很狠 底低 情请清晴 好妤 买卖 便使 卷券 茶荼 哀衰 享亨 师帅 复夏 赢羸 喝渴 "
    "快块 慢漫 错借 真直 服报 务条 店底 菜莱 难准 吃屹 最撮 这迹 推堆 荐存 失矢 望忘 差羞"
)
_COMMON = range(0x4E00, 0x9FA6)
_MOST = 8
"""Characters of one sound that are proposed."""


def glyphs(seed: int = 0) -> Move:
    """A character by one that looks nearly the same, from a table of pairs people mix up."""
    del seed
    alike: dict[str, str] = {}
    for group in _SHAPES.split():
        for one in group:
            alike[one] = alike.get(one, "") + group.replace(one, "")

    def move(text: Words, place: int) -> list[str]:
        word = text.words[place]
        return [
            word[:i] + other + word[i + 1 :]
            for i, character in enumerate(word)
            for other in alike.get(character, "")
        ]

    return move


def homophones(seed: int = 0) -> Move:
    """A character by one that sounds the same, tone included.

    Raises:
        SettingsError: pypinyin is not installed.
    """
    sounds, by_sound = _sounds()

    def move(text: Words, place: int) -> list[str]:
        word = text.words[place]
        draw = random.Random(f"{seed}/{word}")
        found = []
        for i, character in enumerate(word):
            same = by_sound.get(sounds.get(character, ""), "").replace(character, "")
            drawn = draw.sample(same, min(_MOST, len(same)))
            found += [word[:i] + other + word[i + 1 :] for other in drawn]
        return found

    return move


def traditional(seed: int = 0) -> Move:
    """A word in the other script: simplified in traditional characters, or the other way round.

    Raises:
        SettingsError: OpenCC is not installed.
    """
    del seed
    converters = _converters()

    def move(text: Words, place: int) -> list[str]:
        word = text.words[place]
        told = dict.fromkeys(one.convert(word) for one in converters)
        return [other for other in told if other != word]

    return move


@cache
def _sounds() -> tuple[Mapping[str, str], Mapping[str, str]]:
    """The sound of each common character, and the characters of each sound."""
    try:
        from pypinyin import Style, pinyin
    except ModuleNotFoundError:
        raise SettingsError(
            'Attacks by Chinese homophones need pypinyin: pip install "mason-lm[zh]".'
        ) from None
    characters = [chr(code) for code in _COMMON]
    told = pinyin(characters, style=Style.TONE3, heteronym=False)
    sounds = {c: sound[0] for c, sound in zip(characters, told, strict=True)}
    by_sound: dict[str, str] = {}
    for character in filter(_is_common, characters):
        by_sound[sounds[character]] = by_sound.get(sounds[character], "") + character
    return sounds, by_sound


def _is_common(character: str) -> bool:
    """Whether GB 2312's first level has it: 3,755 characters that everybody reads."""
    try:
        return 0xB0 <= character.encode("gb2312")[0] <= 0xD7
    except UnicodeEncodeError:
        return False


@cache
def _converters() -> tuple[Any, ...]:
    try:
        from opencc import OpenCC
    except ModuleNotFoundError:
        raise SettingsError(
            'Attacks by traditional characters need opencc: pip install "mason-lm[zh]".'
        ) from None
    return OpenCC("s2t"), OpenCC("t2s")
