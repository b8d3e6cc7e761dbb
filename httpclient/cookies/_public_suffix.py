"""Public suffixes: names like ``com`` and ``co.uk``, under which anybody can register one.

A cookie for such a name would go to everybody there (RFC 6265 section 5.3 step 5). The list of them is kept by
https://publicsuffix.org, and found here, the first that there is:

1. in the Python package ``publicsuffixlist`` (the extra ``cookies`` of this one);
2. in the system, where Debian's package ``publicsuffix`` and those of other systems put it;
3. else there is a makeshift of some lines, below: every name with one label, names like ``co.uk`` and ``com.au`` under
   all countries, and the well-known places where anybody gets a name below somebody else's (``github.io``). It refuses
   too much rather than too little where it can tell, but knows a few dozen names where the list knows thousands.

The list is read when it is first needed, once in a process.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

#: Where systems have the list.
_SYSTEM_FILES = (
    "/usr/share/publicsuffix/public_suffix_list.dat",
    "/usr/share/publicsuffix/effective_tld_names.dat",
)

#: Second labels under which many countries let register.
_SECOND_LEVEL = """
    ac asso biz co com coop ed edu firm gen go gob gouv gov govt gub ind inf info int k12 ltd mil name ne net nic nom or
    org pro sch
"""

#: Rules that the second labels don't cover, and the best known of the places where anybody gets a name.
_RULES = """
    *.ck *.er *.fk *.jm *.mm *.np *.pg id.au me.uk nhs.uk plc.uk police.uk asn.au pe.kr re.kr idv.tw
    web.id web.za web.tr web.ve web.pk waw.pl eu.com gr.com jp.net uk.com uk.net us.com de.com eu.org
    altervista.org amplifyapp.com appspot.com azure-api.net azureedge.net azurefd.net azurestaticapps.net
    azurewebsites.net bitbucket.io blogspot.com cloudapp.net cloudfront.net cloudfunctions.net codeberg.page ddns.net
    deno.dev duckdns.org elasticbeanstalk.com firebaseapp.com fly.dev github.io githubusercontent.com gitbook.io
    gitlab.io herokuapp.com hf.space hopto.org myshopify.com netlify.app ngrok-free.app ngrok.app ngrok.dev ngrok.io
    no-ip.org
    onrender.com pages.dev pantheonsite.io pythonanywhere.com r2.dev readthedocs.io repl.co replit.app *.run.app
    streamlit.app supabase.co surge.sh trafficmanager.net up.railway.app vercel.app vercel.dev web.app webflow.io
    wixsite.com workers.dev
"""

#: Where customers get names at several depths: no name below is anybody's own for certain.
_SHARED_THROUGHOUT = ("amazonaws.com", "core.windows.net")


class SuffixList:
    """Rules in the form of https://publicsuffix.org/list, and the algorithm that is described there.

    Objects don't change, so any number of threads may use one.

    :param lines: of the file.
    """

    __slots__ = ("rules",)

    def __init__(self, lines: Iterable[str]) -> None:
        # A rule ends at the first white space.
        self.rules = frozenset(line.split(None, 1)[0].lower() for line in lines if line.strip() and line[:2] != "//")

    def suffix_of(self, name: str) -> str:
        """Return the public suffix of a name: the name itself if it is one, or has an empty label.

        :param name: in lower case and ASCII (internationalised names as ``xn--``); may have a dot at the end.
        """
        labels = name.removesuffix(".").split(".")
        if "" in labels:
            return name
        # The list has internationalised names as they are read.
        read = [_decoded(label) for label in labels]
        suffixes = [".".join(read[start:]) for start in range(len(read))]
        return ".".join(name.split(".")[self._start(suffixes) :])

    def _start(self, suffixes: list[str]) -> int:
        """Return which of the suffixes of a name, the longest first, is the public one."""
        rules = self.rules
        last = len(suffixes) - 1
        # An exception goes before all other rules, and is itself the name right below the suffix.
        for start in range(last):
            if "!" + suffixes[start] in rules:
                return start + 1
        for start in range(last):
            if suffixes[start] in rules or "*." + suffixes[start + 1] in rules:
                return start
        return last  # where no rule matches, the rule is "*"


class Makeshift(SuffixList):
    """What there is without a list."""

    __slots__ = ("_second_level",)

    def __init__(self) -> None:
        super().__init__(_RULES.split())
        self._second_level = frozenset(_SECOND_LEVEL.split())

    def _start(self, suffixes: list[str]) -> int:
        if any(suffix in _SHARED_THROUGHOUT for suffix in suffixes):
            return 0
        start = super()._start(suffixes)
        if start and start == len(suffixes) - 1 and len(suffixes[start]) == 2:
            first = suffixes[start - 1].partition(".")[0]
            return start - 1 if first in self._second_level else start
        return start


def _decoded(label: str) -> str:
    if label.startswith("xn--"):
        try:
            return label[4:].encode("ascii").decode("punycode")
        except UnicodeError:
            pass
    return label


def load(files: Iterable[str]) -> SuffixList:
    """Return the list from the first of the files that has one; the makeshift where none does."""
    for file in files:
        try:
            with open(file, encoding="utf-8") as lines:
                found = SuffixList(lines)
        except (OSError, UnicodeError):
            continue
        if "com" in found.rules:  # an empty or unfinished file is no list
            return found
    return Makeshift()


def _files() -> list[str]:
    try:
        # By its name, because it isn't there everywhere.
        return [__import__("publicsuffixlist").PSLFILE, *_SYSTEM_FILES]
    except (ImportError, AttributeError):
        return list(_SYSTEM_FILES)


_list: SuffixList | None = None


def public_suffix(name: str) -> str:
    """Return the public suffix of a name, after the best list that there is (see above).

    :param name: in lower case and ASCII.
    """
    global _list
    if _list is None:
        # Two threads at once read it twice, to the same end.
        _list = load(_files())
    return _list.suffix_of(name)
