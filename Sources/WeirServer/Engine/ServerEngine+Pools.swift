import Invocation

extension ServerEngine {
    /// What the pools have and have done. Series are by namespace, not by function: there may be very many functions.
    func addPools(_ pools: PoolSnapshot, to text: inout PrometheusText) {
        for start in pools.starts {
            text.add(
                "weir_worker_starts_total", .counter, "Workers started, by way and cause.",
                [("way", start.way), ("cause", start.cause)], Double(start.count))
        }
        for ready in pools.readiness {
            let labels = [("way", ready.way)]
            text.add(
                "weir_worker_start_seconds_sum", .counter, "Time from start to ready, all starts together.", labels,
                ready.milliseconds / 1_000)
            text.add(
                "weir_worker_start_seconds_count", .counter, "Starts that became ready.", labels, Double(ready.count))
        }
        for kill in pools.kills {
            text.add(
                "weir_worker_ends_total", .counter, "Workers ended by the server, by reason.",
                [("reason", kill.reason)], Double(kill.count))
        }
        for stems in pools.stems {
            let kind = [("kind", stems.name)]
            text.add("weir_stems_ready", .gauge, "Unspecialised workers that wait.", kind, Double(stems.ready))
            text.add("weir_stems_target", .gauge, "How many should wait.", kind, Double(stems.target))
        }
        for namespace in pools.namespaces {
            let labels = [("namespace", namespace.name)]
            text.add(
                "weir_namespace_workers", .gauge, "Workers of a namespace.", labels, Double(namespace.workers))
            text.add(
                "weir_namespace_running", .gauge, "Jobs of a namespace that run.", labels, Double(namespace.running))
            text.add(
                "weir_namespace_queued", .gauge, "Jobs of a namespace that wait.", labels, Double(namespace.queued))
            text.add(
                "weir_namespace_share", .gauge, "Its fair share of the workers now.", labels, namespace.share)
        }
        text.add("weir_worker_places", .gauge, "Workers that there may be.", [], Double(pools.places))
        text.add(
            "weir_worker_memory_bytes", .gauge, "Memory limits of all workers together.", [],
            Double(pools.memoryUsed))
        text.add(
            "weir_worker_memory_budget_bytes", .gauge, "What they may be.", [], Double(pools.memoryBudget))
        text.add(
            "weir_worker_handovers_total", .counter, "Places given to another namespace though work waited.", [],
            Double(pools.handovers))
        text.add("weir_worker_freezes_total", .counter, "Idle workers that were frozen.", [], Double(pools.freezes))
        text.add(
            "weir_worker_failed_starts_total", .counter, "Workers that did not become ready.", [],
            Double(pools.failedStarts))
        text.add(
            "weir_stems_lost_total", .counter, "Stems that did not become the worker that they were taken for.", [],
            Double(pools.lostStems))
    }
}
