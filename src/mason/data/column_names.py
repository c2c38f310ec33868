"""What the columns of a table are usually called, in English and in Chinese."""

import re
import unicodedata

TEXT_FIRST = frozenset({"text", "文本", "正文"})
TEXT = frozenset(
    "sentence review content comment question document body message tweet utterance query "
    "article passage description post abstract snippet premise hypothesis "
    "评论 内容 句子 问题 文章 留言 评价 语句 问句 描述 帖子 微博 消息 摘要".split()
)
TEXT_LAST = frozenset("title headline subject summary 标题 题目 主题".split())
LABEL_FIRST = frozenset({"label", "goldlabel", "标签"})
LABEL = frozenset(
    "labels category class sentiment target intent topic polarity emotion rating stars "
    "类别 情感 分类 类 意图 极性 情绪 倾向 评分 类型 标注".split()
)
LABEL_LAST = frozenset({"genre", "score"})
"""Where nothing else could be the label: more often they tell about the text."""
PAIRS = (
    ("sentence1", "sentence2"),
    ("text1", "text2"),
    ("texta", "textb"),
    ("sentencea", "sentenceb"),
    ("question1", "question2"),
    ("1string", "2string"),
    ("premise", "hypothesis"),
    ("question", "sentence"),
    ("question", "passage"),
    ("query", "passage"),
    ("query", "document"),
    ("句子1", "句子2"),
    ("文本1", "文本2"),
    ("问题1", "问题2"),
)
TEXT_PAIRS = (
    ("source", "target"),
    ("src", "tgt"),
    ("prompt", "completion"),
    ("prompt", "response"),
    ("instruction", "output"),
    ("instruction", "response"),
    ("input", "output"),
    ("text", "summary"),
    ("document", "summary"),
    ("article", "summary"),
    ("article", "highlights"),
    ("dialogue", "summary"),
    ("原文", "译文"),
    ("指令", "输出"),
    ("输入", "输出"),
    ("提示", "回答"),
    ("正文", "摘要"),
    ("文章", "摘要"),
    ("文本", "摘要"),
    ("内容", "摘要"),
)
"""What is read, and what is to be written."""
LANGUAGES = frozenset(
    "af am ar az be bg bn bs ca cs cy da de el en eo es et eu fa fi fr ga gl gu ha he hi hr hu hy "
    "id ig is it ja ka kk km kn ko ku ky lo lt lv mg mk ml mn mr ms mt my ne nl no pa pl ps pt ro "
    "ru si sk sl so sq sr sv sw ta te tg th tl tr uk ur uz vi xh yi yo zh zu".split()
)
"""ISO 639-1 codes."""
_WORD = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def is_language(name: str) -> bool:
    """Whether a name is a language's code, perhaps with its region or script: ``zh_CN``."""
    first, *rest = re.split(r"[-_]", name)
    return (
        first.lower() in LANGUAGES and all(len(word) in (2, 4) for word in rest) and len(rest) < 2
    )


def plain(name: str) -> str:
    """A name without case, width, spaces and punctuation: ``Text_A`` is ``texta``."""
    return "".join(words_of(name))


def words_of(name: str) -> list[str]:
    """The words of a name: ``reviewText`` and ``review_text`` are ``review``, ``text``."""
    return _WORD.findall(_CAMEL.sub(" ", unicodedata.normalize("NFKC", name)).casefold())


def is_known(name: str) -> bool:
    """Whether ``name`` is, or has among its words, a usual name of a text or a label."""
    names = TEXT_FIRST | TEXT | TEXT_LAST | LABEL_FIRST | LABEL | LABEL_LAST
    names |= {n for p in PAIRS for n in p}
    return plain(name) in names or bool(names.intersection(words_of(name)[-1:]))
