"""Detect East Asian encodings by the characters that their languages use most.

The encodings overlap: nearly every Korean text could be an odd Chinese one. If a second encoding is
plausible, the result is only a guess.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_CHINESE = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董程曹袁邓许沈曾彭吕苏卢蒋蔡贾丁魏叶余潘杜戴夏钟汪田任姜范方石姚"
    "谭廖邹熊金陆白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖文伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉萍红玲"
    "芬燕建国志新海山东西南北京上广州深圳天津重庆成都杭武汉长沙青岛大连市省区县路街号楼室中人民小学生公司有限的是不了在一我他这个"
    "来到时地为子说道出也年得就那要下以会自去过家可里后心多而能好没起还发事只作当想看无开手用主行又如前所本见经头面同三老从动两四"
    "五六七八九十月日女男先电话邮姓名城客户员银普通朝阳浦福湖河云贵川宁晓婷宇欣浩雨雪梅兰春秋思佳怡嘉俊峰鹏飞斌辉波健丹琳颖慧洁"
)
_TRADITIONAL = (
    "王李張劉陳楊趙黃周吳徐孫胡朱高林何郭馬羅梁宋鄭謝韓唐馮董蕭程曹袁鄧許沈曾彭呂蘇盧蔣蔡賈丁魏葉余潘杜戴夏鍾汪田任姜方石姚譚廖"
    "鄒熊金陸白崔康毛邱秦江史顧侯邵孟龍萬段雷錢湯尹黎易常武喬賀賴文偉芳娜敏靜麗強軍洋勇傑娟濤明超秀霞平剛桂英華玉萍紅玲芬燕建國志"
    "新海山東西南北京上臺灣雄台中市省區縣路街號樓室人民小學生公司有限的是不了在一我他這個來到時地為子說道出也年得就那要下以會自去"
    "過家可里後心多天而能好都沒起還發事只作當想看無開手用主行又如前所本見經頭面同三老從動兩四五六七八九十月日女男先電話郵姓名城客"
    "戶員銀普通香港九淑惠美雅婷怡君宗翰冠宇豪俊春竹桃園正義信仁愛"
)
_JAPANESE = (
    "佐藤鈴木高橋田中伊渡辺山本村小林加吉松井上野口原清水長谷川石近阿部森池後岡前遠青坂西福太三浦岩千葉今宮竹内大東京都道府県市区"
    "町阪名古屋横浜神戸札幌仙台広島北海奈良港六新宿渋央花子郎一二四五七八九十男女美和夫雄幸恵真由香織健翔陽結愛沙日月年人会社様氏"
    "住所電話号番地南丁目崎沢津江関根平安杉永久保秀隆明正博英樹智哉也介次洋裕里緒菜"
)
_KOREAN = (
    "김이박최정강조윤장임한오서신권황안송류전홍고문양손배백허유남심노하곽성차주우구민진지현수영희철미경은숙순자옥호준상재훈동건석종태"
    "기용광규병승원혜연선화란나라다도시군울부산대인천세충청북제특별치로길층가각간감개거것게결계공과관교국그금까너년네는니단달당더던데"
    "되된두드들등때또람러런레려록르를리린마만많말매면명모목무물및바반받발방버번법보복본분불비사생설소속스습식실아않알야약어언업없에여"
    "역열예온올와요운위육으을음의일입있작잘저적점조중증직질집참창처첫체초총추출치크타터테토통파판편평포표품프학할함해행향험형확환활회"
    "후님객름화번급골드실버찬채빈솔별빛래"
)
_FREQUENT_CHARACTERS = {
    "cp949": _KOREAN,
    "gbk": _CHINESE,
    "big5": _TRADITIONAL,
    "euc_jp": _JAPANESE,
    "cp932": _JAPANESE,
}
_SIGNS = frozenset("　、。，．・·：；？！（）「」『』【】《》〈〉“”‘’…—～ー々〒№○●☆★※→±×÷°￥㈱")
# One or two such characters within a Latin word are Western letters that were misread.
_WITHIN_WORD = re.compile(r"[A-Za-z][^\x00-\x7f]{1,2}[a-z]")
# A clear decoding has at least this share of frequent characters, this lead over all others, and
# this many characters.
_MIN_SHARE, _MIN_LEAD, _MIN_CHARACTERS = 0.5, 0.5, 6
_ISO_2022_ESCAPES = {  # escape sequences by which 7-bit encodings switch character sets
    "iso2022_jp_ext": re.compile(rb"\x1b(?:\$[@B]|\(I|\$\(D)"),
    "iso2022_kr": re.compile(rb"\x1b\$\)C"),
}


class Decoding(NamedTuple):
    """An encoding that fits. ``frequent_share``: how many characters beyond ASCII are frequent."""

    frequent_share: float
    encoding: str
    n_characters: int  # beyond ASCII


def decodings(sample: bytes) -> list[Decoding]:
    """Return all East Asian encodings that fit, the likeliest first."""
    fitting = filter(None, (_decoding(sample, name) for name in _FREQUENT_CHARACTERS))
    return sorted(fitting, key=lambda decoding: -decoding.frequent_share)


def is_clear(decodings: list[Decoding]) -> bool:
    """Return whether the first decoding is certain: it reads as its language, and no other does."""
    best, *others = decodings
    return (
        best.n_characters >= _MIN_CHARACTERS
        and best.frequent_share >= _MIN_SHARE
        and all(best.frequent_share - other.frequent_share >= _MIN_LEAD for other in others)
    )


def encoding_of_escape(piece: bytes) -> str:
    """Return the 7-bit encoding (ISO 2022) that an escape sequence names; empty if none does."""
    if b"\x1b" not in piece:
        return ""
    return next((name for name, escape in _ISO_2022_ESCAPES.items() if escape.search(piece)), "")


def _decoding(sample: bytes, encoding: str) -> Decoding | None:
    """Return how an encoding fits the sample; None if it does not."""
    try:
        text = sample.decode(encoding)
    except UnicodeDecodeError:
        return None
    non_ascii = [character for character in text if character > "\x7f" and character not in _SIGNS]
    if (
        not non_ascii
        or _WITHIN_WORD.search(text)
        or not all(_belongs(character, encoding) for character in non_ascii)
    ):
        return None
    # Korean is written in Hangul; a text of mostly Chinese characters is Chinese.
    if encoding == "cp949" and 2 * sum(map(_is_hangul, non_ascii)) < len(non_ascii):
        return None
    n_frequent = sum(
        character in _FREQUENT_CHARACTERS[encoding] or _is_kana(character)
        for character in non_ascii
    )
    return Decoding(n_frequent / len(non_ascii), encoding, len(non_ascii))


def _belongs(character: str, encoding: str) -> bool:
    """Return whether the language of an encoding has this character."""
    if _is_hangul(character):
        return encoding == "cp949"
    if _is_kana(character):
        return encoding in ("euc_jp", "cp932")
    return "\u4e00" <= character <= "\u9fff" or (
        encoding == "cp949" and "\uf900" <= character <= "\ufaff"
    )


def _is_hangul(character: str) -> bool:
    return "\uac00" <= character <= "\ud7a3"


def _is_kana(character: str) -> bool:
    """Return whether a character is full-width kana; half-width may be misread Latin letters."""
    return "\u3041" <= character <= "\u30fe"
