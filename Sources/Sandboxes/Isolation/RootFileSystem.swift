internal import CSandbox
internal import Glibc

/// What a worker's root file system holds. Not there: home folders, `/var`, `/run`, `/sys`, the server's data, and all of
/// `/etc` but the files that programs need to run.
enum RootFileSystem {
    typealias Entry = StartPlan.Entry

    /// Folders of programs and libraries. On most systems all but the first are links into it.
    private static let programs = ["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"]

    /// Files and folders of `/etc`, and who needs them.
    private static let settings = [
        "ld.so.cache", "ld.so.conf", "ld.so.conf.d",  // the dynamic linker
        "alternatives",  // commands that are links through here
        "ssl/certs", "ssl/openssl.cnf", "ca-certificates.conf", "pki/tls/certs", "pki/ca-trust/extracted",  // TLS
        "localtime", "timezone",  // dates
        "nsswitch.conf", "host.conf", "gai.conf", "protocols", "services",  // name lookups
        "mime.types", "magic", "magic.mime",  // types of files
        "fonts", "python3", "perl",  // fontconfig, and what distributions patch into interpreters
    ]

    private static let devices = ["null", "zero", "full", "random", "urandom"]

    /// The host's part: the same for every worker.
    static func system() -> [Entry] {
        var entries = ["etc", "dev"].map { Entry(kind: weir_entry_folder, target: $0) }
        for name in programs {
            switch SmallFile.kind(of: "/" + name) {
            case .link(let text): entries.append(Entry(kind: weir_entry_link, source: text, target: name))
            case .folder: entries.append(bind("/" + name))
            case .file, .missing: break
            }
        }
        for name in settings where access("/etc/" + name, R_OK) == 0 {
            entries.append(bind("/etc/" + name, noExecution: true))
        }
        for name in devices {
            // Not read-only: the mount's flag would forbid writing to /dev/null.
            entries.append(
                Entry(
                    kind: weir_entry_bind, flags: UInt32(weir_mount_devices | weir_mount_no_exec),
                    source: "/dev/" + name, target: "dev/" + name))
        }
        for (name, text) in [
            ("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"),
            // Shared memory objects are files; in /tmp they count as what it holds.
            ("stderr", "/proc/self/fd/2"), ("shm", "/tmp"),
        ] { entries.append(Entry(kind: weir_entry_link, source: text, target: "dev/" + name)) }
        entries.append(Entry(kind: weir_entry_processes, target: "proc"))
        for place in SandboxPath.places {
            entries.append(Entry(kind: weir_entry_folder, target: String(place.dropFirst())))
        }
        for name in ["var", "run"] { entries.append(Entry(kind: weir_entry_folder, target: name)) }
        entries.append(Entry(kind: weir_entry_link, source: "/tmp", target: "var/tmp"))
        return entries
    }

    /// A worker's own part.
    static func own(of sandbox: SandboxSpecification, user: UInt32, mapsOwners: Bool) -> [Entry] {
        var entries = [
            Entry(
                kind: weir_entry_scratch, mode: 0o700, size: UInt64(max(sandbox.temporaryBytes, 64 << 10)),
                count: UInt64(max(sandbox.temporaryFiles, 16)), target: "tmp"),
            file(
                "etc/passwd",
                "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\nweir:x:\(user):\(user):weir:/tmp:/bin/sh\n"
                    + "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"),
            file("etc/group", "root:x:0:\nweir:x:\(user):\nnogroup:x:65534:\n"),
        ]
        if sandbox.network == .host {
            entries.append(bind("/etc/resolv.conf", noExecution: true, isOptional: true))
            entries.append(bind("/etc/hosts", noExecution: true, isOptional: true))
        } else {
            entries.append(file("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"))
        }
        for folder in sandbox.rootFolders { entries.append(bind(folder, isOptional: true)) }
        for mount in sandbox.mounts {
            entries.append(
                Entry(
                    kind: weir_entry_bind, flags: flags(of: mount, mapsOwners: mapsOwners), source: mount.source,
                    target: String(mount.target.drop { $0 == "/" })))
        }
        return entries
    }

    static func flags(of mount: SandboxMount, mapsOwners: Bool) -> UInt32 {
        UInt32(
            (mount.isOwnedByWorker && mapsOwners ? weir_mount_as_user : 0)
                | (mount.isReadOnly ? weir_mount_read_only : 0) | (mount.allowsExecution ? 0 : weir_mount_no_exec)
                | (mount.isOptional ? weir_mount_optional : 0))
    }

    /// For a host without namespaces: the same set as rights of Landlock on the real paths.
    static func allowed(for sandbox: SandboxSpecification, version: Int) -> [Entry] {
        let all = LandlockSets.allFiles(version)
        func allow(_ path: String, _ rights: UInt64) -> Entry {
            Entry(kind: weir_entry_allow, flags: UInt32(weir_mount_optional), size: rights & all, target: path)
        }
        let reading = LandlockSets.reading
        var entries = programs.map { allow("/" + $0, reading) }
        entries += settings.map { allow("/etc/" + $0, reading & ~LandlockSets.execute) }
        // Read, write, control.
        entries += devices.map { allow("/dev/" + $0, 1 << 1 | 1 << 2 | 1 << 15) }
        // Opened by the worker itself: its own folder, no other process's.
        entries.append(allow("/proc/self", reading & ~LandlockSets.execute))
        entries += sandbox.rootFolders.map { allow($0, reading) }
        entries += sandbox.mounts.map { mount in
            allow(mount.source, mount.isReadOnly ? reading : all & ~LandlockSets.makeDevices)
        }
        return entries
    }

    private static func bind(_ path: String, noExecution: Bool = false, isOptional: Bool = false) -> Entry {
        Entry(
            kind: weir_entry_bind,
            flags: UInt32(
                weir_mount_read_only | (noExecution ? weir_mount_no_exec : 0) | (isOptional ? weir_mount_optional : 0)),
            source: path, target: String(path.drop { $0 == "/" }))
    }

    private static func file(_ target: String, _ content: String) -> Entry {
        Entry(kind: weir_entry_file, mode: 0o444, source: content, target: target)
    }
}
