import ArgumentParser
import CloudEvents
import Glibc

/// How results are written.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    /// Tables and sentences for people.
    case table
    /// JSON for programs: what the server answered, whole.
    case json
}

/// The options of every command that speaks to a server.
struct ServerOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "The server's address.", discussion: "Default: WEIR_SERVER, else what the server of this user wrote down.",
            valueName: "url"))
    var server: String?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "The file that holds the key.",
            discussion: "Default: WEIR_KEY_FILE, else the admin key of the data folder.",
            valueName: "file"))
    var keyFile: String?

    @Option(name: .long, help: ArgumentHelp("The server's data folder, to find address and key.", valueName: "folder"))
    var data: String?

    @Option(name: [.customShort("n"), .long], help: ArgumentHelp("The namespace.", valueName: "name"))
    var namespace: String?

    @Option(name: [.customShort("o"), .customLong("output")], help: "How results are written.")
    var output: OutputFormat = .table

    /// The data folder to look in.
    var dataFolder: String { data ?? DataFolder.standard }
}

/// Where a server keeps its data when nobody says otherwise.
enum DataFolder {
    /// `WEIR_DATA`, else `$XDG_STATE_HOME/weir`, else `~/.local/state/weir` (XDG Base Directory Specification).
    static var standard: String {
        func variable(_ name: String) -> String? {
            getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
        }
        if let folder = variable("WEIR_DATA") { return folder }
        if let folder = variable("XDG_STATE_HOME") { return folder + "/weir" }
        return (variable("HOME") ?? "/tmp") + "/.local/state/weir"
    }
}
