"""One partition an upload, named by its id; the sensor adds them."""

import dagster as dg

from twin_matcher_dagster.defs.keys import UPLOADS_PARTITION

uploads_partitions = dg.DynamicPartitionsDefinition(name=UPLOADS_PARTITION)
