"""Words cut short that only follow a number: 34 pts, 2 EL, 5 j, 12 pz."""

from re import Match

from wyoming_csm.text.spoken.numbers import is_one, number_pattern
from wyoming_csm.text.spoken.rule import Rule, rule, stop_after, word_list
from wyoming_csm.text.spoken.symbols import stars
from wyoming_csm.text.spoken.words import Words

# As it is written = for one / for several.
_COUNTED = {
    "en": "doz=dozen/dozen, pts=point/points, pcs=piece/pieces, pc=piece/pieces,"
    " pkg=package/packages, pkgs=package/packages, ea=each/each",
    "de": "EL=Esslöffel/Esslöffel, TL=Teelöffel/Teelöffel, Pkt=Punkt/Punkte, Stk=Stück/Stück,"
    " Tabl=Tablette/Tabletten, Pck=Päckchen/Päckchen, Pers=Person/Personen",
    "fr": "cp=comprimé/comprimés, j=jour/jours, pt=point/points, pts=point/points,"
    " pers=personne/personnes, po=pouce/pouces, c. à s=cuillère à soupe/cuillères à soupe,"
    " cuil. à soupe=cuillère à soupe/cuillères à soupe,"
    " cuil. à café=cuillère à café/cuillères à café,"
    " c. à soupe=cuillère à soupe/cuillères à soupe, c. à c=cuillère à café/cuillères à café,"
    " c. à café=cuillère à café/cuillères à café",
    "es": "cda=cucharada/cucharadas, cdas=cucharada/cucharadas, cdta=cucharadita/cucharaditas,"
    " cdtas=cucharadita/cucharaditas, ud=unidad/unidades, uds=unidad/unidades,"
    " pt=punto/puntos, pts=punto/puntos, comp=comprimido/comprimidos",
    "it": "pz=pezzo/pezzi, pt=punto/punti, gg=giorno/giorni, cpr=compressa/compresse,"
    " cucch=cucchiaio/cucchiai",
    "nl": "pt=punt/punten, ptn=punt/punten, el=eetlepel/eetlepels, tl=theelepel/theelepels,"
    " u=uur/uur, pers=persoon/personen",
}

# A letter with a full stop, before more words: 1/4 c. oil, 39 J. alt.
_DOTTED = {"en": ("c", "cup", "cups"), "de": ("J", "Jahr", "Jahre")}


def counted_rules(words: Words) -> list[Rule]:
    """Return the rule of such words; it goes before the units, of which a pt is one, too."""
    entries = (entry.split("=") for entry in _COUNTED[words.language[:2]].split(", "))
    names = {short.strip(): name.split("/") for short, name in entries}
    shorts = word_list(names)
    if dotted := _DOTTED.get(words.language[:2]):
        letter, *names[letter] = dotted
        shorts += rf"|(?<= ){letter}(?=\. [a-zäöü])"
    pattern = (
        rf"(?<![\w.,])(?P<number>(?:\d{{1,3}}/)?{number_pattern(words)}) ?"
        rf"(?P<short>{shorts})(?P<dot>\.?)(?!\w)"
    )

    def long(found: Match[str], words: Words) -> str:
        number = found["number"]
        one, several = names[found["short"]]
        name = one if "/" in number or is_one(number, words) else several
        return f"{number} {name}{stop_after(found)}"

    return [*_star_rules(words), rule("counted", pattern, long, words)]


def _star_rules(words: Words) -> list[Rule]:
    """Return the rules of ★★★★ and 4.5★; a single star is a sign like others."""
    one, several = words.signs["★"], stars(words.language)
    number = rf"(?<![\w.,])(?P<number>{number_pattern(words)}) ?★"

    def rated(found: Match[str], words: Words) -> str:
        return f"{found['number']} {one if is_one(found['number'], words) else several}"

    return [
        rule("stars", "★{2,}", lambda f, w: f"{len(f[0])}★", words, digit=False, needs="★"),
        rule("stars", number, rated, words, needs="★"),
    ]
