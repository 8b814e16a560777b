"""What the offline store promises around the values: spines, names, types, sources, files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import FeatureStore, FeatureView, Field, FileSource, KafkaSource, PushSource, StreamFeatureView
from feast.data_format import DeltaFormat
from feast.data_source import PushMode
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
from feast.types import Bool, Int64, String

from rapport.archive import Archive, arrow_schema
from rapport.bus.protocol import Position
from rapport.errors import ArchiveError
from rapport.feast.declare import event_source, schema_of
from rapport.windows import EXPIRED, MISSING, PRESENT
from tests.archive.rows import rows
from tests.feast.offline_repo import (
    aggregation,
    customer,
    source_at,
    store_in,
    view_of_source,
    write_events,
)

NOON_US = 1_700_000_000_000_000
HOUR, SLIDE = 3_600_000_000, 60_000_000
AGGREGATIONS = [
    aggregation("count", "", HOUR, SLIDE),
    aggregation("sum", "qty", HOUR, SLIDE),
    aggregation("mean", "amount", HOUR, SLIDE),
    aggregation("last", "item", HOUR, SLIDE),
    aggregation("last", "flag", HOUR, SLIDE),
]
COUNT, SUM, MEAN, ITEM, FLAG = (a.name for a in AGGREGATIONS)


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    """Two customers' events, in a view `recent` that expires after a day and one `ever` that does not."""
    events = [
        ("anna", NOON_US - 1_000_000, {"qty": 2, "amount": 1.5, "item": "tea", "flag": True}),
        ("anna", NOON_US - 5_000_000, {"qty": 3, "amount": 2.5, "item": "jam", "flag": False}),
        ("björn", NOON_US - 48 * HOUR, {"qty": None, "amount": None, "item": None}),
    ]
    write_events(tmp_path / "events.parquet", events)
    source = source_at(tmp_path / "events.parquet")
    recent = view_of_source("recent", source, AGGREGATIONS, 24 * HOUR)
    ever = view_of_source("ever", source, [aggregation("count", "qty", None, None)])
    return store_in(tmp_path, [recent, ever, _profile()])


def _profile() -> FeatureView:
    path = ".rapport/archive/profile.parquet"
    batch = FileSource(name="profile_archive", path=path, timestamp_field="event_time")
    schema = [Field(name="tier", dtype=String), Field(name="visits", dtype=Int64), Field(name="consent", dtype=Bool)]
    push = PushSource(name="profile_push", batch_source=batch)
    return FeatureView(name="profile", entities=[customer], source=push, schema=schema)


def _spine(*given: tuple[str | None, int]) -> pd.DataFrame:
    times = pd.to_datetime([time for _, time in given], unit="us", utc=True)
    return pd.DataFrame({"customer_id": [key for key, _ in given], "event_timestamp": times})


def _refs(*names: str) -> list[str]:
    return [f"recent:{name}" for name in names]


def test_rows_columns_order_and_duplicates_of_the_spine_are_kept(store: FeatureStore) -> None:
    spine = _spine(
        ("björn", NOON_US), ("anna", NOON_US), ("nobody", NOON_US), ("anna", NOON_US), ("anna", NOON_US - HOUR)
    )
    spine["label"] = pd.Categorical(list("abcab"))
    spine.index = pd.Index([7, 7, 3, 1, 0])
    job = store.get_historical_features(spine, [*_refs(SUM, ITEM), "ever:count_qty_None_None"])
    frame = job.to_df()
    assert frame["customer_id"].tolist() == spine["customer_id"].tolist()
    assert frame["label"].dtype == spine["label"].dtype
    assert frame[SUM].tolist() == [pd.NA, 5, pd.NA, 5, pd.NA]
    assert frame[ITEM].tolist() == [None, "tea", None, "tea", None]
    assert frame["count_qty_None_None"].tolist() == [0, 2, pd.NA, 2, pd.NA]
    assert job.statuses()["recent"].tolist() == [EXPIRED, PRESENT, MISSING, PRESENT, MISSING]
    assert job.statuses()["ever"].tolist() == [PRESENT, PRESENT, MISSING, PRESENT, MISSING]


def test_types_are_the_declared_ones(store: FeatureStore) -> None:
    job = store.get_historical_features(_spine(("anna", NOON_US), ("nobody", NOON_US)), _refs(COUNT, MEAN, ITEM, FLAG))
    table = job.to_arrow()
    assert [table.schema.field(name).type for name in (COUNT, MEAN, ITEM, FLAG)] == [
        pa.int64(), pa.float64(), pa.string(), pa.bool_(),
    ]  # fmt: skip
    frame = job.to_df()
    assert [str(frame[name].dtype) for name in (COUNT, MEAN, ITEM, FLAG)] == ["Int64", "float64", "object", "boolean"]
    assert frame[MEAN].tolist()[0] == 2.0
    assert np.isnan(frame[MEAN].tolist()[1])
    assert frame[FLAG].tolist() == [True, pd.NA]


def test_full_names_and_a_missing_profile(store: FeatureStore) -> None:
    spine = _spine(("anna", NOON_US), ("anna", NOON_US))
    frame = store.get_historical_features(spine, ["profile:tier", "profile:visits", *_refs(COUNT)], True).to_df()
    assert list(frame.columns) == [
        "customer_id",
        "event_timestamp",
        "profile__tier",
        "profile__visits",
        f"recent__{COUNT}",
    ]
    assert frame["profile__tier"].tolist() == [None, None]
    assert frame[f"recent__{COUNT}"].tolist() == [2, 2]


def test_times_without_a_zone_are_utc_and_other_zones_are_converted(store: FeatureStore) -> None:
    spine = _spine(("anna", NOON_US))
    naive = spine.assign(event_timestamp=spine["event_timestamp"].dt.tz_localize(None))
    tokyo = spine.assign(event_timestamp=spine["event_timestamp"].dt.tz_convert("Asia/Tokyo"))
    for given in (naive, tokyo):
        frame = store.get_historical_features(given, _refs(COUNT)).to_df()
        assert frame[COUNT].tolist() == [2]
        assert frame["event_timestamp"].tolist() == spine["event_timestamp"].tolist()


def test_a_spine_in_sql(store: FeatureStore, tmp_path: Path) -> None:
    pq.write_table(pa.table({"who": ["anna", "nobody"], "day": [19_675, 19_675]}), tmp_path / "asked.parquet")
    sql = f"""
        SELECT who AS customer_id, make_timestamp({NOON_US}) AS event_timestamp, day
        FROM '{tmp_path / "asked.parquet"}' ORDER BY who DESC"""
    frame = store.get_historical_features(sql, _refs(COUNT)).to_df()
    assert frame["customer_id"].tolist() == ["nobody", "anna"]
    assert frame[COUNT].tolist() == [pd.NA, 2]
    assert frame["day"].tolist() == [19_675, 19_675]
    with pytest.raises(ArchiveError, match="SQL fails"):
        store.get_historical_features("SELECT FROM nothing", _refs(COUNT))


def test_an_empty_spine_gives_no_rows_with_the_right_types(store: FeatureStore) -> None:
    spine = _spine(("anna", NOON_US)).iloc[:0]
    frame = store.get_historical_features(spine, [*_refs(COUNT, ITEM), "profile:visits"]).to_df()
    assert len(frame) == 0
    assert [str(frame[name].dtype) for name in (COUNT, "visits")] == ["Int64", "Int64"]


def test_a_null_key_time_or_a_number_for_a_string_is_refused(store: FeatureStore) -> None:
    with pytest.raises(ArchiveError, match=r"'customer_id' is null in 1 rows, the first is row 1"):
        store.get_historical_features(_spine(("anna", NOON_US), (None, NOON_US)), _refs(COUNT)).to_df()
    numbers = _spine(("anna", NOON_US)).assign(customer_id=[17850.0])
    with pytest.raises(ArchiveError, match="declared as a string"):
        store.get_historical_features(numbers, _refs(COUNT)).to_df()
    with pytest.raises(ArchiveError, match="'event_timestamp' is null"):
        store.get_historical_features(_spine(("anna", NOON_US)).assign(event_timestamp=[pd.NaT]), _refs(COUNT))
    with pytest.raises(ArchiveError, match="no column 'customer_id'"):
        store.get_historical_features(_spine(("anna", NOON_US)).drop(columns="customer_id"), _refs(COUNT)).to_df()
    with pytest.raises(ArchiveError, match="pass entity_df"):
        store.get_historical_features(None, _refs(COUNT), start_date=datetime(2023, 1, 1, tzinfo=UTC))


def test_pushed_profiles_are_kept_and_joined_as_of_their_time(store: FeatureStore, tmp_path: Path) -> None:
    later = pd.Timestamp(NOON_US, unit="us", tz="UTC")
    for tier, visits, time in (("gold", 7, later), ("new", None, later - timedelta(days=2))):
        pushed = pd.DataFrame({"customer_id": ["anna"], "tier": [tier], "visits": [visits], "consent": [True]})
        pushed["event_time"] = time
        store.push("profile_push", pushed, to=PushMode.OFFLINE)
    kept = pq.read_table(tmp_path / ".rapport/archive/profile.parquet")
    assert kept.schema.field("visits").type == pa.int64()
    assert kept.schema.field("event_time").type == pa.timestamp("us", "UTC")
    spine = _spine(("anna", NOON_US), ("nobody", NOON_US), ("anna", NOON_US - 24 * HOUR), ("anna", NOON_US - 72 * HOUR))
    frame = store.get_historical_features(spine, ["profile:tier", "profile:visits", *_refs(COUNT)]).to_df()
    assert frame["tier"].tolist() == ["gold", None, "new", None]
    assert frame["visits"].tolist() == [7, pd.NA, pd.NA, pd.NA]
    assert frame[COUNT].tolist() == [2, pd.NA, pd.NA, pd.NA]
    assert Archive(tmp_path / ".rapport/archive").delete_customer("anna") == 2


def test_push_writes_both_stores(store: FeatureStore) -> None:
    pushed = pd.DataFrame({"customer_id": ["anna"], "tier": ["gold"], "visits": [7], "consent": [False]})
    pushed["event_time"] = pd.Timestamp(NOON_US, unit="us", tz="UTC")
    store.push("profile_push", pushed, to=PushMode.ONLINE_AND_OFFLINE)
    online = store.get_online_features(["profile:visits", "profile:consent"], [{"customer_id": "anna"}]).to_dict()
    assert (online["visits"], online["consent"]) == ([7], [False])
    with pytest.raises(ArchiveError, match="'visits'"):
        store.push("profile_push", pushed.assign(visits=["many"]), to=PushMode.OFFLINE)


def test_values_of_windowed_views_cannot_be_written_or_materialized(tmp_path: Path) -> None:
    store = store_in(tmp_path, [_archived(), _archived("totals", windows=False), _profile()])
    end = datetime.now(UTC)
    store.materialize(end - timedelta(days=1), end, feature_views=["profile"])
    for name in ("clicks", "totals"):
        with pytest.raises(ArchiveError, match=f"'{name}' cannot be materialized: the stream of 'customer_clicks'"):
            store.materialize(end - timedelta(days=1), end, feature_views=[name])
    with pytest.raises(ArchiveError, match="publish events"):
        store.write_to_offline_store(
            "clicks", pd.DataFrame({name: [] for name in arrow_schema("customer_clicks").names})
        )


def _archived(name: str = "clicks", *, windows: bool = True) -> StreamFeatureView:
    source: KafkaSource = event_source("customer_clicks")
    aggregations = [aggregation("count", "", None, None)]
    if windows:
        aggregations.append(aggregation("sum", "cart_micros", HOUR, SLIDE))
    return StreamFeatureView(
        name=name,
        entities=[customer],
        source=source,
        timestamp_field="event_time",
        aggregations=aggregations,
        schema=schema_of(source, aggregations),
    )


@pytest.mark.parametrize("elsewhere", [False, True])
def test_the_archive_is_read_where_the_settings_put_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, elsewhere: bool
) -> None:
    data = tmp_path / ("data" if elsewhere else ".rapport")
    if elsewhere:
        monkeypatch.setenv("RAPPORT_DATA_DIR", str(data))
    store = store_in(tmp_path, [_archived()])
    names = ["clicks:count_events_None_None", f"clicks:sum_cart_micros_{HOUR}_{SLIDE}"]
    job = store.get_historical_features(_spine(("c1", NOON_US)), names)
    assert job.statuses()["clicks"].tolist() == [MISSING]
    events = [{"event_time": NOON_US, "cart_micros": 4}, {"event_time": NOON_US + 1, "cart_micros": 5}]
    Archive(data / "archive").append(
        "customer_clicks", rows("customer_clicks", events), writer="w", position=Position(1, 0)
    )
    frame = store.get_historical_features(_spine(("c1", NOON_US), ("c1", NOON_US + 1)), names).to_df()
    assert frame.iloc[:, 2:].to_numpy().tolist() == [[1, 4], [2, 9]]


def test_the_same_events_as_a_delta_table_a_folder_and_with_naive_times(tmp_path: Path) -> None:
    from deltalake import write_deltalake

    write_events(tmp_path / "one.parquet", [("anna", NOON_US, {"qty": 1}), ("anna", NOON_US - 1, {"qty": 2})])
    table = pq.read_table(tmp_path / "one.parquet")
    naive = table.set_column(1, "event_time", table["event_time"].cast(pa.timestamp("ns")))
    write_deltalake(tmp_path / "delta", table)
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    pq.write_table(naive[:1], tmp_path / "folder" / "a.parquet")
    pq.write_table(naive[1:], tmp_path / "folder" / "inner" / "b.parquet")
    views = []
    for name, file_format in (("one.parquet", None), ("delta", DeltaFormat()), ("folder", None)):
        source = source_at(tmp_path / name)
        source.name = source.batch_source.name = f"source_{name}"
        source.batch_source.file_options.file_format = file_format
        views.append(view_of_source(name.partition(".")[0], source, [aggregation("sum", "qty", HOUR, SLIDE)]))
    store = store_in(tmp_path, views)
    refs = [f"{view.name}:{view.features[0].name}" for view in views]
    frame = store.get_historical_features(_spine(("anna", NOON_US)), refs, full_feature_names=True).to_df()
    assert frame.iloc[0, 2:].tolist() == [3, 3, 3]


def test_a_source_that_cannot_be_read_says_which(tmp_path: Path) -> None:
    store = store_in(tmp_path, [view_of_source("recent", source_at(tmp_path / "gone.parquet"), AGGREGATIONS)])
    with pytest.raises(ArchiveError, match=r"'happenings_file': no Parquet file at .*gone"):
        store.get_historical_features(_spine(("anna", NOON_US)), _refs(COUNT)).to_df()
    pq.write_table(pa.table({"customer_id": ["anna"], "event_time": [0]}), tmp_path / "gone.parquet")
    with pytest.raises(ArchiveError, match="the events of happenings_file cannot be read"):
        store.get_historical_features(_spine(("anna", NOON_US)), _refs(SUM)).to_df()


def test_a_result_can_be_persisted(store: FeatureStore, tmp_path: Path) -> None:
    job = store.get_historical_features(_spine(("anna", NOON_US)), _refs(SUM))
    storage = SavedDatasetFileStorage(path=str(tmp_path / "kept.parquet"))
    job.persist(storage)
    assert pq.read_table(tmp_path / "kept.parquet")[SUM].to_pylist() == [5]
