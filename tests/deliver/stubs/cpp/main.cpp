#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <map>
#include <string>

$includes

// Reads cases from the folder given: a line each, of a network, a photo's size and the files of photo and answer.
int main(int, char** arguments) {
  using Prepare = std::function<std::vector<float>(const std::uint8_t*, int, int)>;
  const std::map<std::string, Prepare> networks{
$networks};
  std::ifstream cases(std::string(arguments[1]) + "/cases");
  std::string name, photo, answer;
  int width, height;
  while (cases >> name >> width >> height >> photo >> answer) {
    std::ifstream file(photo, std::ios::binary);
    const std::vector<char> rgb{std::istreambuf_iterator<char>(file), {}};
    const auto values = networks.at(name)(reinterpret_cast<const std::uint8_t*>(rgb.data()), width, height);
    std::ofstream out(answer, std::ios::binary);
    out.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size() * 4));
  }
  std::ifstream quantized(std::string(arguments[1]) + "/quantized");
  float value, scale;
  int zero, low, high;
  while (quantized >> value >> scale >> zero >> low >> high) {
    std::cout << $any::quantize(value, scale, zero, low, high) << "\n";
  }
}
