"""What frustration looks like in a customer's words: groups of cues, each a reason that a person can read.

Written by hand for English customer service. A word in lower case belongs to at most one group; a phrase counts where
its words follow each other.
"""

from __future__ import annotations

from types import MappingProxyType

__all__ = ["ANGRY_EMOJI", "GROUPS", "PHRASES", "WORDS"]

GROUPS: tuple[str, ...] = ("negation", "abuse", "feeling", "failure", "waiting", "leaving", "challenge", "calm")

_LISTS: dict[str, str] = {
    "negation": """
        no not never none nothing nobody noone nor cannot cant dont doesnt didnt wont isnt wasnt arent couldnt
        wouldnt havent hasnt aint without neither nowhere
    """,
    "abuse": """
        fuck fucking fucked fuckin wtf wth bs bullshit shit shitty crap crappy damn hell ass stupid idiot idiots
        joke pathetic garbage trash scam scammers crook crooks lie lies liar liars lying thief thieves stealing
        steal stolen ridiculous terrible horrible horrendous awful worst worse useless unacceptable disgusting
        disgrace disgraceful shame shameful shady incompetent incompetence inept ineptness rude outrageous
        absurd insane nightmare fraud ripoff unprofessional clueless pointless bogus sucks suck poor dumb
        unbelievable unreal dishonest misleading robbery
    """,
    "feeling": """
        hate angry anger annoying annoyed annoys frustrated frustrating frustration disappointed disappointing
        disappointment upset furious sick tired mad fatigue smh ugh stress stressed appalled shocked livid
        fuming bitter
    """,
    "failure": """
        broken broke fail fails failed failing failure error errors wrong incorrect crash crashes crashed
        crashing bug bugs lost lose losing missing stuck late delayed delay dead slow refuse refused refuses
        denied charged charge charging complaint complain complained complaints unable ignore ignored ignoring
        ignores mess messed waste wasted wasting damaged overcharged unhelpful unresolved inconsistent issues
        problem problems trouble fault outage nope worthless blame
    """,
    "waiting": """
        waiting waited wait hold hours hour days weeks week months still yet again another twice everyday
        everytime keep keeps kept already finally repeatedly constantly always continue continues third forever
        since ages longer times
    """,
    "leaving": """
        cancel cancelling canceling cancelled canceled switch switching leaving refund sue lawyer lawsuit
        attorney competitor elsewhere goodbye bye boycott unsubscribe compensation compensate manager supervisor
        corporate ceo lawyers reimbursed
    """,
    "challenge": """
        why seriously really literally supposed honestly apparently obviously even how excuse excuses explain
        told anyone someone guys yall people care actually instead paying paid pay money cost promised said
    """,
    "calm": """
        thanks thank thx ty cheers love loved great good awesome happy appreciate appreciated hi hello nice
        resolved excellent perfect kind ok okay lovely cool amazing welcome best glad fun wonderful fantastic
        yes yep sure enjoy worked sorted
    """,
}

WORDS = MappingProxyType({word: group for group, words in _LISTS.items() for word in words.split()})
"""Word to group."""

PHRASES = MappingProxyType(
    {
        ("not", "working"): "failure",
        ("doesnt", "work"): "failure",
        ("dont", "work"): "failure",
        ("wont", "work"): "failure",
        ("nothing", "works"): "failure",
        ("hung", "up"): "failure",
        ("rip", "off"): "abuse",
        ("fed", "up"): "feeling",
        ("had", "enough"): "feeling",
        ("so", "many"): "waiting",
        ("how", "long"): "waiting",
        ("all", "day"): "waiting",
        ("every", "time"): "waiting",
        ("every", "day"): "waiting",
        ("last", "time"): "leaving",
        ("my", "business"): "leaving",
        ("im", "done"): "leaving",
        ("done", "with"): "leaving",
        ("never", "again"): "leaving",
        ("no", "one"): "negation",
        ("how", "come"): "challenge",
        ("no", "problem"): "calm",
        ("no", "worries"): "calm",
        ("all", "good"): "calm",
        ("works", "now"): "calm",
    }
)
"""Two words that follow each other to a group, beside what each counts for itself."""

ANGRY_EMOJI = frozenset("😡🤬😠😤🙄👎😒😑😩😫🤦🤥💩😭😞😔🤷")
