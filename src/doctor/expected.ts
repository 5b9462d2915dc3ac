/** What {@link trainings} give on every host. A change of one is a change of bits, which the changelog must name. */
export const expected: Readonly<Record<string, string>> = {
  'dense, dropout, Adam': '6985f021940d8d893905d16b206416836ccc31a44763c2a22446dd7397754738',
  'convolution, pooling, batch normalisation, momentum': '30291126cd0dcbcd60dbf0934c3cedd58df2fb5553506906ac639b53aa471e3e',
  'LSTM, RMSprop': '419ba119c94e08cfb54707cc222f184f98149511d07c0de3201a7995c3fee294',
  'tanh, sigmoid, binary cross-entropy, AdamW, cosine decay': '6f08ea5906c39ec906953ed6ec6117cd78a09702829d16ba5feef9f31301df5d',
  wide: '34f16b51e5078aab358181cb68579746abfae74420a66fb61dd8455c0c5a55f9',
  int8: '17e6b9a40b5885ead71d9f15d2fd4a4919b5f81d93ed4ff5105341f9f372b950',
}
