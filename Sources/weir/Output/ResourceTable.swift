import CloudEvents

/// The columns that a list of resources shows.
enum ResourceTable {
    static func table(_ kind: Kind, _ items: [JSONValue]) -> Table {
        switch kind {
        case .channels: channels(items)
        case .sources: sources(items)
        case .subscriptions: subscriptions(items)
        case .functions: functions(items)
        case .packages: packages(items)
        case .apis: apis(items)
        }
    }

    private static func channels(_ items: [JSONValue]) -> Table {
        var table = Table(
            ["CHANNEL", "PARTITIONS", "EVENTS", "SIZE", "NEXT OFFSET", "RETENTION"], numeric: [1, 2, 3, 4])
        for item in items {
            let status = item["status"]
            table.add([
                name(item), number(status?["partitionCount"]), number(status?["events"]),
                Words.bytes(status?["bytes"]?.integer ?? 0), number(status?["nextOffset"]),
                retention(item["spec"]?["retention"]),
            ])
        }
        return table
    }

    private static func retention(_ value: JSONValue?) -> String {
        guard let value, value != .null else { return "for ever" }
        if let text = value.string { return text }
        return [value["age"]?.string, value["bytes"]?.string].compactMap { $0 }.joined(separator: ", ")
    }

    private static func sources(_ items: [JSONValue]) -> Table {
        var table = Table(
            ["SOURCE", "KIND", "STATE", "EVENTS", "UNREADABLE", "LAG", "LAST EVENT", "WHY"], numeric: [3, 4])
        for item in items {
            let status = item["status"]
            table.add([
                name(item), item["spec"]?["kind"]?.string ?? "", status?["state"]?.string ?? "",
                number(status?["events"]), number(status?["failures"]), lag(status),
                status?["lastEvent"]?.string.map(Words.time) ?? "–",
                status?["reason"]?.string ?? "",
            ])
        }
        return table
    }

    private static func lag(_ status: JSONValue?) -> String {
        guard let bytes = status?["lagBytes"]?.integer else { return "–" }
        return bytes == 0 ? "none" : Words.bytes(bytes)
    }

    private static func subscriptions(_ items: [JSONValue]) -> Table {
        var table = Table(
            [
                "SUBSCRIPTION", "CHANNEL", "SINK", "STATE", "LAG", "IN FLIGHT", "DELIVERED", "RETRIED", "DEAD",
                "LAST ERROR",
            ],
            numeric: [4, 5, 6, 7, 8])
        for item in items {
            let status = item["status"]
            table.add([
                name(item), item["spec"]?["channel"]?.string ?? "",
                item["spec"]?["sink"]?.string ?? item["spec"]?["sink"]?["url"]?.string
                    ?? item["spec"]?["sink"]?["kind"]?.string ?? "",
                status?["state"]?.string ?? "", number(status?["lag"]), number(status?["inFlight"]),
                number(status?["delivered"]), number(status?["retried"]), number(status?["deadLettered"]),
                status?["lastError"]?.string ?? "",
            ])
        }
        return table
    }

    private static func functions(_ items: [JSONValue]) -> Table {
        var table = Table(["FUNCTION", "RUNTIME", "VERSION", "ISOLATION", "TIMEOUT", "UPDATED"], numeric: [])
        for item in items {
            let status = item["status"]
            table.add([
                name(item), status?["runtime"]?.string ?? "", String((status?["version"]?.string ?? "").prefix(12)),
                status?["isolation"]?.integer.map { "level \($0)" } ?? "", item["spec"]?["timeout"]?.string ?? "",
                item["updated"]?.string.map(Words.time) ?? "",
            ])
        }
        return table
    }

    private static func packages(_ items: [JSONValue]) -> Table {
        var table = Table(["PACKAGE", "PARAMETERS", "PUBLIC", "BOUND TO", "UPDATED"], numeric: [])
        for item in items {
            let spec = item["spec"]
            let binding = spec?["binding"].map { "\($0["namespace"]?.string ?? "")/\($0["name"]?.string ?? "")" }
            table.add([
                name(item), (spec?["parameters"]?.object?.names ?? []).joined(separator: ", "),
                spec?["publish"]?.bool ?? false ? "yes" : "no", binding ?? "",
                item["updated"]?.string.map(Words.time) ?? "",
            ])
        }
        return table
    }

    private static func apis(_ items: [JSONValue]) -> Table {
        var table = Table(["API", "PATHS", "SERVED AT", "UPDATED"], numeric: [1])
        for item in items {
            table.add([
                name(item), Words.count(Int64(item["spec"]?["swagger"]?["paths"]?.object?.count ?? 0)),
                item["status"]?["path"]?.string ?? "", item["updated"]?.string.map(Words.time) ?? "",
            ])
        }
        return table
    }

    private static func name(_ item: JSONValue) -> String { item["name"]?.string ?? "?" }
    private static func number(_ value: JSONValue?) -> String { value?.integer.map(Words.count) ?? "–" }
}
