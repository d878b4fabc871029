"""Codes of one language, and of languages that serve for another, as BCP 47 and CLDR have them.

The tables are made with langcodes, and a test compares them. That library is not used here: it
remembers all that it was ever asked, 26 KB for each code that a client thinks of.
"""

from functools import cache

# The codes of each language, the usual one first: a distance of 0 in langcodes.
SAME = """
aa aar, ab abk, ae ave, af afr, ak aka fat tw twi, am amh, an arg, ar ara arb, as asm, av ava, ay
aym ayr, az aze azj, ba bak, be bel, bg bul, bho bh bih, bi bis, bm bam, bn ben, bo bod tib, br
bre, bs bos, ca cat, ce che, ch cha, co cos, cr cre cwd, cs ces cze, cu chu, cv chv, cy cym wel,
da dan, de deu ger, drw prs tnf, dv div, dz adp dzo, ee ewe, el ell gre, en eng, eo epo, es spa,
et ekk est, eu baq eus, fa fas per pes, ff fuc ful, fi fin, fil tgl tl, fj fij, fo fao, fr fra
fre, fy fry, ga gle, gd gla, gl glg, gn grn gug, gu guj, gv glv, ha hau, he heb iw, hi hin, ho
hmo, hr hrv scr, ht hat, hu hun, hy arm hye, hz her, ia ina, id in ind, ie ile, ig ibo, ii iii, ik
esk ipk, io ido, is ice isl, it ita, iu ike iku, ja jpn, jv jav jw, ka geo kat, kg kng kon, ki
kik, kj kua, kk kaz, kl kal, km khm, kn kan, ko kor, kok knn, kr kau knc, ks kas, ku kmr kur, kv
kom kpv, kw cor, ky kir, la lat, lb ltz, lg lug, li lim, ln lin, lo lao, lt lit, lu lub, lv lav
lvs, mg mlg plt, mh mah, mi mao mri, mk mac mkd, ml mal, mn drh khk mon, mr mar, ms may msa zsm,
mt mlt, my bur mya, na nau, nb nob, nd nde, ne nep npi, ng ndo, nl dut nld, nn nno, no nor, nr
nbl, nv nav, ny nya, oc oci, oj ojg oji, om gaz orm, or ori ory, os oss, pa pan, pi pli, pl pol,
ps pbu pus, pt por, qu que quz, rm roh, rn run, ro mo mol ron rum, ru rus, rw kin, sa san, sc src
srd, sd snd, se sme, sg sag, sh hbs, si sin, sk slk slo, sl slv, sm smo, sn sna, so som, sq alb
als sqi, sr scc srp, ss ssw, st sot, su sun, sv swe, sw swa swh, ta tam, te tel, tg tgk, th tha,
ti tir, tk tuk, tn tsn, to ton, tr tur, ts tso, tt tat, ty tah, ug uig, uk ukr, ur urd, uz uzb
uzn, ve ven, vi vie, vo vol, wa wln, wo wol, xh xho, yi ji ydd yid, yo yor, za zha zyb, zh chi cmn
zho, zu zul
"""

# A language, and those that serve in its stead, the nearest first: a distance of 1 to 9, which is
# "a significant but unproblematic regional difference".
NEAR = """
aa ssy, bs hr cnr sh, cnr sh bs hr sr, drw fa, fa drw, gsw de, hr bs cnr sh, lb de, nb no, no nb,
sh cnr sr bs hr, sr sh cnr, ssy aa, sw swc, swc sw
"""


def alike(code: str) -> list[frozenset[str]]:
    """Return the codes of each language that serves for `code` (2 or 3 letters), nearest first."""
    same, near = _by_first(SAME), _by_first(NEAR)
    usual = next((usual for usual, codes in same.items() if code in codes), code)
    return [frozenset(same.get(one, [one])) for one in near.get(usual, [usual])]


@cache
def _by_first(table: str) -> dict[str, list[str]]:
    lists = (codes.split() for codes in table.split(","))
    return {codes[0]: codes for codes in lists}
