internal import CloudEvents
internal import Glibc

/// The system calls that a container may make, in the words of the OCI runtime specification: what workers may
/// (``AllowedCalls``), and what images of servers want besides.
enum ContainerCalls {
    static var document: JSONValue {
        let names = AllowedCalls.all.filter { $0 != "clone" }
        var calls: [JSONValue] = [
            ["names": .array(names.map { .string($0) }), "action": "SCMP_ACT_ALLOW"],
            // Threads and processes, no namespaces; see SystemCallFilter.
            allow("clone", 0, mask: SystemCallFilter.allNamespaces, value: 0),
            ["names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": .integer(Int64(ENOSYS))],
        ]
        for family in [AF_UNIX, AF_INET, AF_INET6] { calls.append(allow("socket", 0, value: UInt64(family))) }
        // Which interfaces and addresses there are: programs of Go and others ask it as soon as they listen. Routing
        // netlink (protocol 0) is the network namespace's own; the other kinds are not.
        calls.append([
            "names": ["socket"], "action": "SCMP_ACT_ALLOW",
            "args": [condition(0, value: UInt64(AF_NETLINK)), condition(2, value: 0)],
        ])
        for request in AllowedCalls.controls { calls.append(allow("ioctl", 1, value: request)) }
        for persona in [0, 0xFFFF_FFFF] as [UInt64] { calls.append(allow("personality", 0, value: persona)) }
        return [
            "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": .integer(Int64(EPERM)), "syscalls": .array(calls),
        ]
    }

    private static func allow(
        _ name: String, _ argument: Int64, mask: UInt64 = 0xFFFF_FFFF, value: UInt64
    ) -> JSONValue {
        ["names": [.string(name)], "action": "SCMP_ACT_ALLOW", "args": [condition(argument, mask: mask, value: value)]]
    }

    /// The argument's bits of the mask are the value.
    private static func condition(_ argument: Int64, mask: UInt64 = 0xFFFF_FFFF, value: UInt64) -> JSONValue {
        [
            "index": .integer(argument), "op": "SCMP_CMP_MASKED_EQ", "value": .integer(Int64(bitPattern: mask)),
            "valueTwo": .integer(Int64(bitPattern: value)),
        ]
    }
}
