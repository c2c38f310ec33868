"""Orders against a chat model's own orders, as people and documents give them.

The patterns are words, not a classifier: what they find is found for a reason that can be
read, and whoever knows them can say the same in other words. ``mason harden`` measures both.
"""

import re
from dataclasses import dataclass

from mason.security.views import views

_ENDING = (
    r"(?:instructions?|prompts?|rules?|guidelines?|directions?|commands?|orders?|tasks?|"
    r"contexts?|programming|constraints?|restrictions?|guardrails?|safeguards?|messages?|"
    r"conversations?|everything|(?:you were|you have been|i) (?:told|given|said))"
)
_EARLIER = (
    r"(?:previous|prior|above|earlier|preceding|former|foregoing|initial|original|system|"
    r"safety|developer'?s?|your|these|those|all|any|every|whatever|everything)"
)
_DROP = (
    r"(?:ignor(?:e|ing)|disregard(?:ing)?|forget(?:ting)?|neglect|overlook|skip|bypass|"
    r"override|overrule|drop|discard|abandon|erase|delete|cancel|(?:do not|don'?t|no longer|stop|"
    r"never) (?:follow(?:ing)?|obey(?:ing)?|heed(?:ing)?)|pay no (?:attention|heed) to)"
)
_SECRET = (
    r"(?:system|hidden|initial|secret|original|internal|confidential|developer|your) "
    r"(?:\w+ )?(?:prompts?|instructions?|messages?|rules|guidelines|passwords?|secrets?|"
    r"codes?|configuration|pass ?words?)"
)
_TELL = (
    r"(?:reveal|show|print|repeat|output|tell|give|display|leak|recite|translate|encode|"
    r"spell|write|disclose|share|dump|copy|say|summari[sz]e|what (?:is|are|was|were|does))"
)
_FREE = (
    r"(?:restrictions?|rules?|filters?|limits?|limitations?|censorship|guardrails?|"
    r"boundaries|ethics|morals|guidelines|safeguards)"
)

_ENGLISH = {
    "override": [
        rf"\b{_DROP}\W+(?:\w+\W+){{0,3}}?{_EARLIER}\W+(?:[\w']+\W+){{0,4}}?{_ENDING}",
        rf"\b{_DROP}\W+(?:everything|all|anything)\W+(?:\w+\W+){{0,2}}?(?:above|before|until now)",
        rf"\b{_DROP}\W+(?:\w+\W+){{0,3}}?{_ENDING}\W+(?:\w+\W+){{0,3}}?(?:above|before|so far)",
        r"\b(?:new|real|actual|updated|true|next) (?:instructions?|tasks?|orders?|prompt)\W{0,2}:",
        r"\byour (?:new|real|actual|true|only) (?:instructions?|tasks?|orders?|job|goal)"
        r" (?:is|are)",
    ],
    "reveal": [
        rf"\b{_TELL}\W+(?:[\w']+\W+){{0,4}}?{_SECRET}",
        r"\b(?:repeat|print|output|copy|recite|dump|display)\W+(?:[\w']+\W+){0,5}?(?:words?|text|lines?|sentences?|everything|messages?|"
        r"all)\W+(?:\w+\W+){0,3}?(?:above|before this|so far|at the (?:top|start|beginning))",
    ],
    "role": [
        r"\byou (?:are|will be|'re) (?:now|no longer|hereby)\b",
        r"\bfrom now on,? (?:you|answer|reply|act|say|only)\b",
        r"\b(?:pretend|imagine|act as if|suppose)\W+(?:\w+\W+){0,3}?(?:have|has|had|know|are|with)"
        rf"\W+(?:\w+\W+){{0,3}}?no {_FREE}",
        rf"\b(?:without|free (?:of|from)|not bound by|have no|has no|with no|ignores?)\W+"
        rf"(?:any |all |the |your |usual |ethical |moral |content |safety ){{0,2}}{_FREE}",
        r"\b(?:unfiltered|uncensored|unrestricted|amoral) "
        r"(?:ai|assistant|model|chatbot|bot|answer)",
    ],
    "mode": [
        r"\b(?:developer|debug|god|maintenance|admin|root|sudo|unsafe|jailbreak) mode\b",
        r"\bdo anything now\b|\bjailbroken\b|\bas dan\b|\bcalled dan\b|\bdan mode\b",
    ],
    "opening": [
        r"\b(?:begin|start) (?:your|the|every) (?:answer|reply|response)s? with\W+"
        r"(?:absolutely|sure|of course|certainly|yes|okay)",
    ],
}
_NEVER = (
    r"(?:忽略|无视|忽视|忘记|忘掉|抛开|抛弃|跳过|绕过|撤销|取消|作废|清除|丢掉|"
    r"(?:不要|不用|不必|别|停止)(?:再)?(?:遵守|遵循|理会|管|听从|执行|服从))"
)
_BEFORE = (
    r"(?:之前|以前|上面|上述|以上|前面|先前|此前|原来|最初|原先|所有|一切|全部|任何|你的|系统)"
)
_CHINESE = {
    "override": [
        rf"{_NEVER}.{{0,8}}{_BEFORE}.{{0,10}}(?:指令|指示|命令|提示|规则|要求|设定|任务|限制|内容|话)",
        r"新(?:的)?(?:指令|任务|命令|指示)(?:是|为|如下|[：:])",
    ],
    "reveal": [
        r"(?:说出|告诉|输出|打印|显示|重复|透露|泄露|翻译|写出|背出|复述|公开|展示|是什么|给出|编码)"
        r".{0,14}(?:系统提示|提示词|系统消息|系统指令|初始指令|上面的(?:内容|文字|话)|秘密|密码|口令|暗号)",
        r"(?:系统提示|提示词|系统指令|初始指令|秘密|密码|口令|暗号).{0,10}"
        r"(?:说出来|告诉我|是什么|写出来|给我|念出来|输出|打印|翻译|复述|倒着)",
    ],
    "role": [
        r"从现在(?:开始|起)[，,]?你",
        r"你现在(?:是|扮演|不再|变成)",
        r"(?:没有|不受|摆脱|不遵守)(?:任何|一切)?(?:的)?(?:限制|约束|规则|道德|过滤|审查)",
    ],
    "mode": [r"(?:开发者|调试|维护|上帝|管理员|越狱|无限制)模式", r"越狱"],
    "opening": [r"(?:回答|回复)(?:必须)?以.{0,3}(?:当然|好的|没问题|可以).{0,8}(?:开头|开始)"],
}
_FRAMES = [
    r"(?:^|\n)[ \t]{0,20}(?:#{1,6} ?|\[|【|\()?(?:system|assistant|developer|系统|助手)"
    r"(?: (?:message|prompt|note|override)|消息|提示|通知)?(?:\]|】|\))?\s*[:：]",
    r"\[/?inst\]|<</?sys>>|<\|\w+\|>|</?(?:system|assistant|instructions?|document|data)>",
    r"\bend of (?:the )?(?:text|document|input|article|user input|data)\b",
    r"(?:文本|正文|文章|文件|输入|资料)(?:到此)?结束",
]
_PATTERNS = {
    kind: re.compile("|".join(_ENGLISH.get(kind, []) + _CHINESE.get(kind, []))) for kind in _ENGLISH
} | {"frame": re.compile("|".join(_FRAMES))}


@dataclass(frozen=True)
class Order:
    """An order that is not the model's owner's.

    Attributes:
        kind: ``override``, ``reveal``, ``role``, ``mode``, ``opening`` or ``frame``.
        quote: The words that say so, as they are read.
    """

    kind: str
    quote: str


def find_order(text: str) -> Order | None:
    """The first order against a model's own orders in ``text``, hidden ones too."""
    for view in views(text):
        for kind, pattern in _PATTERNS.items():
            if found := pattern.search(view):
                return Order(kind, " ".join(found.group().split()))
    return None
