#include "${model}.hpp"

#include <fstream>
#include <iostream>
#include <iterator>

// Runs the network of a file on a photo; writes what it answers.
int main(int, char** arguments) try {
  std::ifstream file(arguments[2], std::ios::binary);
  const std::vector<char> rgb{std::istreambuf_iterator<char>(file), {}};
  const int width = std::stoi(arguments[3]);
  $Class::Network network(arguments[1]);
  const auto pixels = reinterpret_cast<const std::uint8_t*>(rgb.data());
  const auto answers = network.run(pixels, width, static_cast<int>(rgb.size() / 3) / width);
  std::ofstream out(arguments[4], std::ios::binary);
  const std::vector<float>& values = answers.at("$output");
  out.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size() * 4));
} catch (const std::runtime_error& error) {
  std::cerr << error.what() << "\n";
  return 1;
}
