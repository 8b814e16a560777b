"""What a customer's words say of how he feels: classes of English words, each a reason that a person can read.

The classes were written from general knowledge of English (its negations, question words, units of time, abuse,
courtesy and what is said of a service), not collected from rated messages; how much each class counts is learned
(rapport.events.frustration). A word without `!` also counts with -s, -ed and -ing; `!` ends one that stands as it is.
A word may be in several classes.
"""

from __future__ import annotations

from types import MappingProxyType

__all__ = ["GROUPS", "WORDS"]

_LISTS: dict[str, str] = {
    "negation": """
        no! not! never! none! nothing! nobody! nowhere! neither! nor! cannot! cant! dont! doesnt! didnt! wont!
        isnt! wasnt! arent! werent! couldnt! wouldnt! shouldnt! havent! hasnt! hadnt! aint! mustnt! neednt!
        without! hardly! barely! noone!
    """,
    "question": """
        why! how! when! where! what! who! which! whose! whats! wheres! whens! hows! whos! anyone! anybody!
        someone! somebody!
    """,
    "waiting": """
        wait hold second minute min! mins! hour hr! hrs! day week month year fortnight! late! later! delay slow!
        slower! slowly! overdue! queue age! ages! forever! long! longer! soon! yesterday! today! tonight!
        tomorrow! monday! tuesday! wednesday! thursday! friday! saturday! sunday! weekend! since! ago! until!
        till! eta! eventually!
    """,
    "repetition": """
        again! still! yet! already! always! constantly! continually! continuously! continue keep kept! repeat
        repeated! repeatedly! another! twice! thrice! once! second! third! fourth! fifth! several! multiple!
        numerous! countless! times! every! everytime! everyday! each! same! ever! finally! often! more! many!
    """,
    "abuse": """
        fuck fucker! shit! shitty! bullshit! bs! crap! crappy! damn! dammit! damned! goddamn! hell! ass! arse!
        asshole! arsehole! bitch bastard bloody! bollocks! wtf! wth! ffs! stfu! piss! pissed! pissing! idiot
        idiotic! moron moronic! stupid! stupidity! dumb! fool! fools! clown joke laughable! pathetic! useless!
        worthless! hopeless! clueless! incompetent! incompetence! inept! rude! rudeness! arrogant! ignorant!
        lazy! careless! liar lie! lies! lied! lying! cheat cheater scam scammer fraud! fraudulent! crook thief!
        thieves! theft! steal stole! stolen! rob robbed! robbery! ripoff! con! conned! deceptive! deceive
        dishonest! misleading! mislead trash! garbage! rubbish! junk! suck sucks! sucked! shady! greedy! shame!
        shameful! shameless! unprofessional! unethical! dodgy!
    """,
    "strong": """
        terrible! terribly! horrible! horribly! horrendous! horrific! awful! dreadful! atrocious! appalling!
        abysmal! ghastly! worst! worse! bad! badly! poor! poorly! disgusting! disgusted! disgrace! disgraceful!
        ridiculous! ridiculously! absurd! ludicrous! outrageous! unacceptable! unbelievable! unbelievably!
        incredible! inexcusable! insane! insulting! insult nightmare disaster disastrous! shambles! farce!
        fiasco! joke! shocking! shocked! embarrassing! infuriating! sad! sadly! sorry! unreal! beyond! nonsense!
        mess!
    """,
    "feeling": """
        angry! anger! angrily! annoy annoyed! annoying! annoyance! frustrate frustrated! frustrating!
        frustration! irritate irritated! irritating! disappoint disappointed! disappointing! disappointment!
        upset! upsetting! furious! fury! livid! fuming! mad! hate hated! sick! tired! fed! exhausted!
        exhausting! stress stressed! stressful! unhappy! dissatisfied! displeased! outraged! enraged! appalled!
        disgusted! bitter! hurt! worried! worry concerned! regret helpless! desperate! confused! confusing! ugh!
        argh! grr! smh! sigh! omg! seriously! honestly! literally! really! absolutely! completely! totally!
        utterly! simply! actually! clearly! obviously! apparently! supposedly!
    """,
    "failure": """
        fail failure! broken! break! broke! breaks! breaking! error! errors! fault! faults! faulty! defect
        defective! wrong! wrongly! incorrect! incorrectly! issue problem trouble! bug! bugs! buggy! glitch crash
        freeze froze! frozen! stuck! miss missing! lost! lose! losing! damage unable! impossible! refuse reject
        decline deny! denied! block lock! locked! ignore waste wasted! wasting! mistake mistakes! outage
        outages! down! dead! disconnect drop! dropped! dropping! interrupt unavailable! unresolved!
        unresponsive! unhelpful! undelivered! misdeliver overcharge! overcharged! overpriced! complain complaint
        complaints! inconvenience! inconvenient! lack lacking! empty! expired! rotten! dirty! mould! mouldy!
        cracked! torn! smashed!
    """,
    "leaving": """
        cancel cancelled! cancelling! cancellation! switch quit! quitting! leave! leaving! left! close!
        unsubscribe terminate boycott competitor elsewhere! sue! suing! lawyer! lawyers! solicitor! attorney!
        legal! court! lawsuit! ombudsman! regulator! report manager supervisor! supervisors! escalate ceo!
        compensation! compensate refund reimburse reimbursement! return exchange replacement! goodbye! bye!
        anymore! done! enough! loyal! customer! customers! service! business!
    """,
    "money": """
        pay! pays! paid! paying! payment! payments! money! charge charged! bill bills! billed! billing! cost
        costs! price prices! fee fees! expensive! cash! card! account! bank! dollar! dollars! pound! pounds!
        bucks! worth! free! credit debit!
    """,
    "demand": """
        explain answer! answers! respond! response! reply! replied! fix! fixed! resolve! solve! sort! help!
        helped! helping! need! needs! want! wants! expect expected! demand should! must! supposed! promise
        promised! told! said! says! saying! tell! tells! telling! excuse excuses! instead! care! cares! call!
        called! calls! calling! phone! phoned! email! emailed! contact! contacted! message! speak! spoke!
        spoken! talk! talked! asked! asking!
    """,
    "you": """
        you! your! yours! yourself! youre! youve! u! ur! yall! guys! ya! they! them! their! theyre! theyve!
        people! company! staff! agent! agents! driver! rep! reps!
    """,
    "self": """
        i! me! my! mine! im! ive! id! ill! we! us! our! myself! ourselves!
    """,
    "contrast": """
        but! although! though! however! despite! yet! even! just! only! instead! nor! or!
    """,
    "thanks": """
        thanks! thank! thx! ty! tysm! thankyou! cheers! appreciate! appreciated! appreciation! grateful! ta!
    """,
    "kind": """
        love! loved! lovely! loving! great! good! awesome! amazing! excellent! fantastic! perfect! perfectly!
        wonderful! brilliant! superb! nice! nicely! happy! glad! pleased! best! better! cool! fun! enjoy
        enjoyed! kind! kindly! helpful! friendly! fast! quick! quickly! easy! welcome! congrats!
        congratulations! yay! haha! lol! lmao! wow! beautiful! favorite! favourite! hope! hopefully! fine!
        sorted! solved! resolved! works! worked! working! fixed! luck!
    """,
    "polite": """
        please! pls! plz! hi! hello! hey! dear! hiya! morning! afternoon! evening! excuse! pardon! could! would!
        may! might! wondering! possible! possibly! maybe! perhaps! regards!
    """,
    "assent": """
        yes! yep! yeah! yup! ok! okay! k! sure! alright! right! got! gotcha! cool! understood! done! did! will!
        ah! oh! indeed! correct! exactly!
    """,
}

GROUPS: tuple[str, ...] = tuple(_LISTS)
"""The classes' names."""


def _forms(word: str) -> tuple[str, ...]:
    """A word's inflected forms, by rule; a form that English lacks does no harm."""
    if word.endswith("!"):
        return (word[:-1],)
    if word.endswith("e"):
        return word, f"{word}s", f"{word}d", f"{word[:-1]}ing"
    if word.endswith("y") and word[-2] not in "aeou":
        return word, f"{word[:-1]}ies", f"{word[:-1]}ied", f"{word}ing"
    return word, f"{word}s", f"{word}es", f"{word}ed", f"{word}ing"


def _words() -> dict[str, tuple[int, ...]]:
    found: dict[str, dict[int, None]] = {}
    for number, words in enumerate(_LISTS.values()):
        for word in words.split():
            for form in _forms(word):
                found.setdefault(form, {})[number] = None
    return {word: tuple(numbers) for word, numbers in found.items()}


WORDS = MappingProxyType(_words())
"""Word, in lower case and without apostrophes, to the numbers of its classes."""
