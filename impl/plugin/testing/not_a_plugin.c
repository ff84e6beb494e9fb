/* A shared library like any other. */
__attribute__((visibility("default"))) int not_a_plugin(void) { return 42; }
