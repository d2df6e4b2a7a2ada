"""Work begun in A and gone on with in B raises, where Django gives a hook; else the database answers nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import Exists, Max, OuterRef, Prefetch, prefetch_related_objects

from apps.accounts.models import Membership, Wallet
from apps.sites import crossing
from apps.sites.models import Asset, Site
from apps.sites.scope import CrossedSiteScope, site_scope
from tests.factories import make_asset, make_member, make_wallet
from tests.isolation.conftest import TwoSites

LAZY = pytest.mark.isolation("lazy work")
# An iterator that is dropped after its transaction finds its server-side cursor gone.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

EVALUATIONS: dict[str, Callable[[Any], Any]] = {
    "list": list,
    "iterator": lambda lazy: list(lazy.iterator()),
    "chunked iterator": lambda lazy: list(lazy.iterator(chunk_size=1)),
    "count": lambda lazy: lazy.count(),
    "exists": lambda lazy: lazy.exists(),
    "first": lambda lazy: lazy.first(),
    "get": lambda lazy: lazy.get(),
    "values": lambda lazy: list(lazy.values("code")),
    "values_list": lambda lazy: list(lazy.values_list("code", flat=True)),
    "filter": lambda lazy: list(lazy.filter(code="THEIRS")),
    "all": lambda lazy: list(lazy.all()),
    "slice": lambda lazy: list(lazy[:1]),
    "in_bulk": lambda lazy: lazy.in_bulk(),
    "aggregate": lambda lazy: lazy.aggregate(Max("code")),
    "update": lambda lazy: lazy.update(name="x"),
    "delete": lambda lazy: lazy.delete(),
    "explain": lambda lazy: lazy.explain(),
    "contains": lambda lazy: lazy.contains(Asset(id="0" * 32)),
    "as a sub-select": lambda lazy: list(Asset.objects.filter(pk__in=lazy)),
    "as exists": lambda lazy: list(Site.objects.filter(Exists(lazy.filter(site=OuterRef("pk"))))),
    "union": lambda lazy: list(Asset.objects.all().union(lazy)),
    "or": lambda lazy: list(lazy | lazy),
    "prefetch": lambda lazy: list(lazy.prefetch_related("site")),
    "select_for_update": lambda lazy: list(lazy.select_for_update()),
}


@LAZY
@pytest.mark.parametrize("evaluate", EVALUATIONS.values(), ids=EVALUATIONS.keys())
def test_an_unfiltered_queryset_of_one_site_raises_in_the_next(
    sites: TwoSites, evaluate: Callable[[Any], Any]
) -> None:
    with site_scope(sites.here.id):
        lazy = Asset.objects.all()
    with site_scope(sites.there.id), pytest.raises(CrossedSiteScope):
        evaluate(lazy)


@LAZY
def test_a_queryset_made_outside_belongs_to_whoever_clones_it(sites: TwoSites) -> None:
    """Class attributes of views and form fields are made at import and cloned for each request."""
    lazy = Asset.objects.all()
    with site_scope(sites.here.id):
        narrowed = lazy.filter(decimals=18)
        assert [asset.code for asset in lazy.all()] == ["MINE"]
    with site_scope(sites.there.id):
        assert [asset.code for asset in lazy.all()] == ["THEIRS"]
        with pytest.raises(CrossedSiteScope):
            list(narrowed)


@LAZY
def test_cached_rows_of_one_site_raise_in_the_next(sites: TwoSites) -> None:
    shared = Asset.objects.all()
    with site_scope(sites.here.id):
        assert len(shared) == 1
    for use in (list, len, bool, lambda rows: rows[0], lambda rows: rows.count()):
        with site_scope(sites.there.id), pytest.raises(CrossedSiteScope):
            use(shared)


@LAZY
def test_cached_rows_may_be_shown_after_their_scope(sites: TwoSites) -> None:
    with site_scope(sites.here.id):
        rows = Asset.objects.all()
        list(rows)
    assert [asset.code for asset in rows] == ["MINE"]


@LAZY
@pytest.mark.parametrize("chunk", [1, 2000])
def test_an_iterator_does_not_go_on_in_the_next_site(sites: TwoSites, chunk: int) -> None:
    make_asset(sites.here, "SECOND")
    with site_scope(sites.here.id):
        rows = Asset.objects.iterator(chunk_size=chunk)
        next(rows)
    with site_scope(sites.there.id), pytest.raises(CrossedSiteScope):
        next(rows)


@LAZY
def test_an_iterator_does_not_go_on_without_a_scope(sites: TwoSites) -> None:
    make_asset(sites.here, "SECOND")
    with site_scope(sites.here.id):
        rows = Asset.objects.iterator()
        next(rows)
    with pytest.raises(CrossedSiteScope):
        next(rows)


@LAZY
@pytest.mark.parametrize("evaluate", [list, lambda raw: list(raw.iterator())], ids=["list", "iterator"])
def test_a_raw_queryset_of_one_site_raises_in_the_next(sites: TwoSites, evaluate: Any) -> None:
    with site_scope(sites.here.id):
        lazy = Asset.objects.raw("SELECT * FROM sites_asset")
    with site_scope(sites.there.id), pytest.raises(CrossedSiteScope):
        evaluate(lazy)


@LAZY
def test_a_prefetch_made_in_one_site_raises_in_the_next(sites: TwoSites) -> None:
    make_wallet(make_member(sites.there))
    with site_scope(sites.here.id):
        prefetch = Prefetch("member", queryset=Membership.objects.all())
    with site_scope(sites.there.id), pytest.raises(CrossedSiteScope):
        list(Wallet.objects.prefetch_related(prefetch))


@LAZY
def test_rows_of_one_site_are_not_prefetched_for_in_the_next(sites: TwoSites) -> None:
    make_wallet(make_member(sites.here))
    with site_scope(sites.here.id):
        wallets = list(Wallet.objects.all())
    with site_scope(sites.there.id), pytest.raises(CrossedSiteScope):
        prefetch_related_objects(wallets, "member")


@LAZY
@pytest.mark.parametrize(
    "ask",
    [
        lambda wallet: wallet.member,
        lambda wallet: wallet.address,
        lambda wallet: wallet.refresh_from_db(),
        lambda wallet: wallet.refresh_from_db(fields=["address"]),
    ],
    ids=["foreign key", "deferred column", "refresh", "refresh of a column"],
)
def test_a_row_of_one_site_loads_nothing_more_in_the_next(sites: TwoSites, ask: Callable[[Any], Any]) -> None:
    made = make_wallet(make_member(sites.here))
    with site_scope(sites.here.id):
        wallet = Wallet.objects.defer("address").get(pk=made.pk)
    with site_scope(sites.there.id), pytest.raises(CrossedSiteScope):
        ask(wallet)


@LAZY
def test_a_row_whose_site_was_deferred_loads_nothing_either(sites: TwoSites) -> None:
    """Its site is not known to Python then: row security makes it a row that does not exist."""
    with site_scope(sites.here.id):
        asset = Asset.objects.only("code").get()
    with site_scope(sites.there.id), pytest.raises(Asset.DoesNotExist):
        _ = asset.name


@LAZY
def test_a_row_of_one_site_is_not_saved_in_the_next(sites: TwoSites) -> None:
    with site_scope(sites.here.id):
        asset = Asset.objects.get()
    asset.name = "moved"
    with site_scope(sites.there.id), pytest.raises(Exception, match="row-level security"):
        asset.save()
    with site_scope(sites.there.id), pytest.raises(Exception, match="did not affect any rows"):
        asset.save(update_fields=["name"])
    with site_scope(sites.there.id), pytest.raises(CrossedSiteScope):
        asset.refresh_from_db()


@LAZY
def test_select_related_rows_come_with_their_row_only(sites: TwoSites) -> None:
    make_wallet(make_member(sites.here))
    with site_scope(sites.here.id):
        wallet = Wallet.objects.select_related("member").get()
    with site_scope(sites.there.id):
        assert wallet.member.site_id == sites.here.id  # in memory already: nothing is asked
        with pytest.raises(CrossedSiteScope):
            wallet.member.refresh_from_db()


@pytest.mark.isolation("lazy work", control=True)
def test_without_the_stamp_an_unfiltered_queryset_answers_the_next_sites_rows(
    sites: TwoSites, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: row security is content, since B's scope is open; only A's code is wrong."""
    with site_scope(sites.here.id):
        lazy = Asset.objects.all()
    monkeypatch.setattr("apps.sites.postgresql.compiler.refuse_crossing", lambda *_: None)
    with site_scope(sites.there.id):
        assert [asset.code for asset in lazy] == ["THEIRS"]


@pytest.mark.isolation("lazy work", control=True)
def test_without_the_check_an_iterator_goes_on_with_the_first_sites_rows(
    sites: TwoSites, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_asset(sites.here, "SECOND")
    monkeypatch.setattr(crossing, "active_site_id", lambda: None)
    with site_scope(sites.here.id):
        rows = Asset.objects.iterator()
        next(rows)
    with site_scope(sites.there.id):
        assert next(rows).site_id == sites.here.id
