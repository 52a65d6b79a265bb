import Glibc

/// The Kafka clusters that an operator has declared: the standard one, and others by name.
///
///     # librdkafka's names, before the first section those of the standard cluster
///     bootstrap.servers = k1.example.org:9093, k2.example.org:9093
///     security.protocol = SASL_SSL
///     sasl.mechanism = SCRAM-SHA-512
///     sasl.username = weir
///     sasl.password = …
///
///     [tape]
///     bootstrap.servers = tape-kafka:9092
package struct KafkaClusters: Sendable, Hashable {
    package private(set) var standard: KafkaSettings?
    package private(set) var named: [String: KafkaSettings] = [:]

    package init() {}

    /// - Parameters:
    ///   - bootstrap: the brokers of the standard cluster; before what the text says.
    ///   - text: the properties file.
    ///   - name: what the file is called in errors.
    package init(bootstrap: String? = nil, properties text: String = "", name: String = "the properties")
        throws(KafkaError)
    {
        var sections: [(name: String?, line: Int, properties: [KafkaProperty])] = [(nil, 1, [])]
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = Self.trimmed(line)
            guard let first = line.first, first != "#", first != ";" else { continue }
            if first == "[" {
                guard line.last == "]", line.count > 2 else {
                    throw KafkaError(.configuration, "\(name), line \(index + 1): a section is written [name]")
                }
                let section = String(Self.trimmed(line.dropFirst().dropLast()))
                guard !sections.contains(where: { $0.name == section }) else {
                    throw KafkaError(
                        .configuration, "\(name), line \(index + 1): the section [\(section)] stands twice")
                }
                sections.append((section, index + 1, []))
                continue
            }
            guard let equals = line.firstIndex(of: "=") else {
                throw KafkaError(.configuration, "\(name), line \(index + 1): \"property = value\" was expected")
            }
            sections[sections.count - 1].properties.append(
                KafkaProperty(
                    String(Self.trimmed(line[..<equals])), String(Self.trimmed(line[line.index(after: equals)...]))))
        }
        for section in sections {
            let place = section.name.map { "\(name), section [\($0)]" } ?? name
            var servers = section.name == nil ? bootstrap : nil
            var tokenFile: String?
            var rest: [KafkaProperty] = []
            for property in section.properties {
                switch property.name {
                case "bootstrap.servers": servers = servers ?? property.value
                case "weir.oauthbearer.token.file": tokenFile = property.value
                default: rest.append(property)
                }
            }
            guard let servers else {
                if section.name == nil, rest.isEmpty { continue }
                throw KafkaError(.configuration, "\(place): bootstrap.servers is missing")
            }
            do throws(KafkaError) {
                let settings = try KafkaSettings(bootstrap: servers, properties: rest, tokenFile: tokenFile)
                if let name = section.name { named[name] = settings } else { standard = settings }
            } catch {
                throw KafkaError(.configuration, "\(place): \(error.message)")
            }
        }
    }

    /// Reads the properties file.
    package init(bootstrap: String?, file: String) throws(KafkaError) {
        guard let handle = fopen(file, "r") else {
            throw KafkaError(.configuration, "\(file) cannot be read: \(String(cString: strerror(errno)))")
        }
        defer { fclose(handle) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = fread(&bytes, 1, bytes.count, handle)
        try self.init(bootstrap: bootstrap, properties: String(decoding: bytes[..<count], as: UTF8.self), name: file)
    }

    /// The cluster of a name; the standard one when none is given.
    package func settings(_ name: String?) throws(KafkaError) -> KafkaSettings {
        guard let name else {
            guard let standard else {
                throw KafkaError(
                    .configuration,
                    "no Kafka is configured: start the server with --kafka host:port, or name the brokers")
            }
            return standard
        }
        guard let settings = named[name] else {
            let known = named.keys.sorted().joined(separator: ", ")
            throw KafkaError(
                .configuration,
                "there is no Kafka cluster \"\(name)\" in the server's Kafka properties"
                    + (known.isEmpty ? "" : ": it knows \(known)"))
        }
        return settings
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return text.drop { $0.isWhitespace }
    }
}
