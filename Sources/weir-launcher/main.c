#include "CSandbox.h"

int main(void) {
    return weir_launcher_main();
}
