import CloudEvents

/// Decodes the messages of iRODS' audit plug-in: flat objects, one each time the server passes a policy enforcement point.
///
/// A value that is no UTF-8 comes as Base64 under `<name>_b64`. Only what has ended well (`…_post`) becomes an event of
/// the common vocabulary; every other point keeps its own name.
struct IRODSAuditDecoder: ProducerDecoder {
    func decode(_ bytes: Run, lineNumber: Int, into batch: inout DecodedBatch) {
        guard let value = batch.json(bytes, line: lineNumber) else { return }
        // The plug-in says when it starts and stops.
        if value["rule_name"] == nil, value["action"]?.string != nil {
            batch.ignored += 1
            return
        }
        do throws(ProducerProblem) {
            batch.add(try event(value, bytes), line: lineNumber)
        } catch {
            batch.fail(error, bytes, line: lineNumber)
        }
    }

    private func event(_ value: JSONValue, _ bytes: Run) throws(ProducerProblem) -> ProducerEvent {
        guard let rule = value["rule_name"]?.string, !rule.isEmpty else {
            throw ProducerProblem("$.rule_name", "the message has no such member")
        }
        var point = rule
        for prefix in ["audit_", "pep_"] where point.hasPrefix(prefix) { point.removeFirst(prefix.count) }
        var event = ProducerEvent(
            system: "irods", source: "irods://" + URIText.host(value["hostname"]?.string), type: Self.type(point),
            native: .json(Array(bytes)))
        event.time = time(value["@timestamp"])
        event.access = "irods"
        let (path, raw) = Self.text("logical_path", in: value) ?? Self.text("obj_path", in: value) ?? (nil, nil)
        event.subject = path
        let user = value["user_user_name"]?.string
        event.owner = user.map { user in
            value["user_rods_zone"]?.string.flatMap { $0.isEmpty ? nil : "\(user)#\($0)" } ?? user
        }
        event.put("rule", rule)
        event.put("user", user)
        event.put("zone", value["user_rods_zone"]?.string)
        event.put("path", raw == nil ? path : nil)
        event.put("pathBytesBase64", raw)
        event.put("toPath", Self.text("dst_logical_path", in: value)?.text ?? value["dest_logical_path"]?.string)
        event.put("time", event.time)
        event.put("pid", value["pid"]?.integer)
        return event
    }

    /// Milliseconds, as a number or as text.
    private func time(_ value: JSONValue?) -> EventTime? {
        (value?.integer ?? value?.string.flatMap { Int64($0) }).flatMap(ProducerTime.milliseconds)
    }

    /// A text by name; of one that came as Base64 what can be shown of it, and the Base64.
    private static func text(_ name: String, in value: JSONValue) -> (text: String?, raw: String?)? {
        if let text = value[name]?.string { return (text, nil) }
        guard let raw = value[name + "_b64"]?.string, let bytes = Base64.decode(raw.utf8) else { return nil }
        return (String(decoding: bytes, as: UTF8.self), raw)
    }

    private static func type(_ point: String) -> String {
        switch point {
        case "api_data_obj_put_post", "api_data_obj_copy_post": return "dev.weir.file.written"
        case "api_data_obj_get_post": return "dev.weir.file.read"
        case "api_data_obj_unlink_post": return "dev.weir.file.deleted"
        case "api_data_obj_rename_post": return "dev.weir.file.moved"
        case "api_data_obj_repl_post": return "dev.weir.replica.copied"
        case "api_data_obj_trim_post": return "dev.weir.replica.removed"
        case "api_coll_create_post": return "dev.weir.directory.created"
        case "api_rm_coll_post": return "dev.weir.directory.deleted"
        case "api_mod_avu_metadata_post", "api_mod_access_control_post", "api_atomic_apply_metadata_operations_post":
            return "dev.weir.file.attributes"
        default:
            let word = point.lowercased().filter { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
            return "org.irods.\(word.isEmpty ? "unnamed" : word)"
        }
    }
}
