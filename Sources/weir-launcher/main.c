#include <string.h>

#include "CSandbox.h"

int main(int argc, char **argv) {
    // The same program prepares containers, so that one file has to be found beside the server and not two.
    if (argc > 1 && !strcmp(argv[1], "container")) return weir_container_main(argc, argv);
    if (argc > 1 && !strcmp(argv[1], "place")) return weir_place_main(argc, argv);
    return weir_launcher_main();
}
